/**
 * Files that stand beside a playbook and belong to it: `ssh: { script: … }` and `copy: { from: … }`.
 *
 * It decides which files those are and how they become part of the playbook; reading them is the document source's work.
 */
import type { Problem } from './problem.ts';
import type { PlaybookSource } from './playbook.ts';
import { BesidePath, actionLists } from './playbook.ts';
import { readYaml } from './source.ts';
import type { SourceDocument, ValuePath } from './source.ts';

/** By path, as `attachedFiles` names them: the text, or why there is none. */
export type Attachments = ReadonlyMap<string, { readonly text: string } | { readonly failure: string }>;

interface Reference {
  readonly at: ValuePath;
  readonly path: string;
}

function beside(playbookPath: string, relative: string): string {
  const folder = playbookPath.slice(0, playbookPath.lastIndexOf('/') + 1);
  return (
    folder +
    relative
      .split('/')
      .filter((part) => part !== '.' && part !== '')
      .join('/')
  );
}

function referencesOf(document: SourceDocument): Reference[] {
  return actionLists.flatMap((list) => {
    const entries = document.valueAt(['spec', list]);
    return Array.from({ length: Array.isArray(entries) ? entries.length : 0 }, (_, index) => index).flatMap((index) =>
      [
        ['spec', list, index, 'ssh', 'script'],
        ['spec', list, index, 'ssh', 'copy', 'from'],
      ].flatMap((at) => {
        const relative = document.valueAt(at);
        // A path that leaves the folder is refused by the schema; it must not even be looked at.
        const isInside = BesidePath.safeParse(relative).success;
        return isInside ? [{ at, path: beside(document.file.path, String(relative)) }] : [];
      }),
    );
  });
}

/** Every file that the playbooks among these texts ask for, sorted, with the folder of its playbook, which it must not leave. */
export function attachedFiles(
  files: readonly { readonly path: string; readonly text: string }[],
): { readonly path: string; readonly folder: string }[] {
  const references = files
    .filter(({ text }) => /^kind:\s*["']?Playbook/m.test(text))
    .flatMap(({ path, text }) => readYaml(path, text).documents)
    .filter((document) => document.valueAt(['kind']) === 'Playbook')
    .flatMap((document) => {
      const folder = beside(document.file.path, '') || './';
      return referencesOf(document).map(({ path }): [string, string] => [`${path}\n${folder}`, folder]);
    });
  return [...new Map(references)]
    .map(([key, folder]) => ({ path: key.slice(0, key.indexOf('\n')), folder }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Text in which the program finds no placeholder. Its own `${x}` comes out of filling in as it was. */
function escaped(text: string): string {
  return text.split('${').join('$${');
}

/**
 * A script becomes a `run` that sets the parameters as shell variables first. It is no template itself, so that it can
 * be run and checked by itself; its own `${x}` is kept.
 */
function scriptText(text: string, parameters: readonly string[]): string {
  const settings = parameters.map((name) => `${name}=\${${name}}\n`).join('');
  return settings + escaped(text);
}

/** Whether the first line asks for a shell that `/bin/sh` may not be. */
function foreignShell(text: string): string | undefined {
  const shell = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(text);
  const program = shell?.[1]?.endsWith('/env') ? shell[2] : shell?.[1];
  if (program === undefined) return undefined;
  return ['sh', 'dash'].includes(program.split('/').at(-1) ?? '') ? undefined : program;
}

/** The plain data of a playbook with the files in their places, or what stands in the way. */
export function inlineAttachments(
  document: SourceDocument,
  { spec }: PlaybookSource,
  attachments: Attachments,
): { value: unknown; problems: Problem[] } {
  const problems: Problem[] = [];
  const value = structuredClone(document.value);
  const parameters = Object.keys(spec.parameters ?? {});
  for (const { at, path } of referencesOf(document)) {
    const isScript = at.at(-1) === 'script';
    const attachment = attachments.get(path) ?? { failure: 'it was not given' };
    if ('failure' in attachment) {
      problems.push(document.problemAt(at, { message: `cannot read ${path}: ${attachment.failure}` }));
      continue;
    }
    const shell = isScript ? foreignShell(attachment.text) : undefined;
    if (attachment.text.trim() === '' && isScript) {
      problems.push(document.problemAt(at, { message: `${path} is empty` }));
    } else if (shell !== undefined) {
      const message = `${path} is written for ${shell}, but scripts are run by /bin/sh`;
      problems.push(document.problemAt(at, { message, hint: 'copy it to the server and call it, or write it for sh' }));
    }
    const parent = at.slice(0, -1).reduce((below, key) => (below as Record<PropertyKey, never>)[key] as never, value);
    const holder = parent as Record<string, unknown>;
    if (isScript) {
      delete holder['script'];
      holder['run'] = scriptText(attachment.text, parameters);
    } else {
      delete holder['from'];
      holder['content'] = escaped(attachment.text);
    }
  }
  return { value, problems };
}
