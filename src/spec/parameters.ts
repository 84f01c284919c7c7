/**
 * Puts parameter values into the texts of a playbook.
 *
 * Into scripts as one single-quoted word, so that no value can ever become a command; into other texts as they are.
 * It never guesses: what the document checks have let through can be filled in, anything else is a bug of ours.
 */
import { InvariantError } from '../errors/maintenance-error.ts';
import { placeholdersInScript, placeholdersInText } from './placeholders.ts';
import type { Placeholder } from './placeholders.ts';
import type { Action } from './playbook.ts';

export type ParameterValues = Readonly<Record<string, string | number | boolean>>;

/** Stays in the texts: only the server knows it, when the reboot is asked for. */
export const newestKernel = 'newest';

/** One word of POSIX sh that stands for exactly this value. */
export function quoteForShell(value: string): string {
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}

function valueOf(values: ParameterValues, name: string): string {
  if (!Object.hasOwn(values, name)) throw new InvariantError(`no value for \${${name}}`);
  return String(values[name]);
}

function replace(text: string, found: readonly Placeholder[], put: (placeholder: Placeholder) => string): string {
  let filled = '';
  let at = 0;
  for (const placeholder of found) {
    filled += text.slice(at, placeholder.offset) + (placeholder.kind === 'escape' ? '${' : put(placeholder));
    at = placeholder.offset + placeholder.length;
  }
  return filled + text.slice(at);
}

/** A script for `/bin/sh`. `$${x}` becomes the shell's own `${x}`. */
export function fillIn(script: string, values: ParameterValues): string {
  return replace(script, placeholdersInScript(script), ({ name, inside }) => {
    if (inside !== 'nothing') throw new InvariantError(`\${${name}} stands inside quotes or a here-document`);
    return quoteForShell(valueOf(values, name));
  });
}

/** A text that no shell reads, such as the name of a kernel or the content of a file. `${newest}` stays. */
export function fillPlain(text: string, values: ParameterValues): string {
  return replace(text, placeholdersInText(text), ({ name }) =>
    name === newestKernel ? `\${${newestKernel}}` : valueOf(values, name),
  );
}

type SshAction = Extract<Action, { ssh: unknown }>;

/** A file to be copied is no script, so its values go in as they are. */
export function fillSsh({ ssh }: SshAction, values: ParameterValues): SshAction {
  if ('run' in ssh) return { ssh: { ...ssh, run: fillIn(ssh.run, values) } };
  const { content, to } = ssh.copy;
  return { ssh: { copy: { content: fillPlain(content, values), to: fillPlain(to, values) } } };
}
