/**
 * Files that stand beside a document and belong to it: of a playbook `ssh: { script: … }` and `copy: { from: … }`, of a
 * plan the calendars of its blackouts (see calendars.ts).
 *
 * It decides which files those are and how they become part of the playbook; reading them is the document source's work.
 */
import type { Problem } from './problem.ts';
import type { PlaybookSource } from './playbook.ts';
import { actionLists } from './playbook.ts';
import { readYaml } from './source.ts';
import type { SourceDocument, ValuePath } from './source.ts';
import { BesidePath } from './values.ts';

/** By path, as `attachedFiles` names them: the text, or why there is none. */
export type Attachments = ReadonlyMap<string, { readonly text: string } | { readonly failure: string }>;

interface Reference {
  readonly at: ValuePath;
  readonly path: string;
}

export function beside(documentPath: string, relative: string): string {
  const folder = documentPath.slice(0, documentPath.lastIndexOf('/') + 1);
  return (
    folder +
    relative
      .split('/')
      .filter((part) => part !== '.' && part !== '')
      .join('/')
  );
}

function referencesOf(document: SourceDocument): Reference[] {
  return actionLists.flatMap((list) =>
    entriesAt(document, ['spec', list]).flatMap((at) => [
      ...referenceAt(document, [...at, 'ssh', 'script']),
      ...referenceAt(document, [...at, 'ssh', 'copy', 'from']),
    ]),
  );
}

function calendarsOf(document: SourceDocument): Reference[] {
  const entries = entriesAt(document, ['spec', 'schedule', 'blackouts']);
  return entries.flatMap((at) => referenceAt(document, [...at, 'ical']));
}

function entriesAt(document: SourceDocument, list: ValuePath): ValuePath[] {
  const entries = document.valueAt(list);
  return Array.from({ length: Array.isArray(entries) ? entries.length : 0 }, (_, index) => [...list, index]);
}

/** A path that leaves the folder is refused by the schema; it must not even be looked at. */
function referenceAt(document: SourceDocument, at: ValuePath): Reference[] {
  const relative = document.valueAt(at);
  const isInside = BesidePath.safeParse(relative).success;
  return isInside ? [{ at, path: beside(document.file.path, String(relative)) }] : [];
}

const filesOf: Readonly<Record<string, (document: SourceDocument) => Reference[]>> = {
  Playbook: referencesOf,
  MaintenancePlan: calendarsOf,
};

/** Every file that the documents among these texts ask for, sorted, with the folder of its document, which it must not leave. */
export function attachedFiles(
  files: readonly { readonly path: string; readonly text: string }[],
): { readonly path: string; readonly folder: string }[] {
  const references = files
    .filter(({ text }) => /^kind:\s*["']?Playbook/m.test(text) || /\bical\b/.test(text))
    .flatMap(({ path, text }) => readYaml(path, text).documents)
    .flatMap((document) => {
      const folder = beside(document.file.path, '') || './';
      const found = filesOf[String(document.valueAt(['kind']))]?.(document) ?? [];
      return found.map(({ path }): [string, string] => [`${path}\n${folder}`, folder]);
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
