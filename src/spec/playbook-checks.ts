/** What the schema cannot see in one playbook: its parameters, and the placeholders in its scripts. */
import type { Judged } from './inventory-checks.ts';
import { privateKeysIn, secretName } from './mask.ts';
import { newestKernel } from './parameters.ts';
import { placeholdersInScript, placeholdersInText } from './placeholders.ts';
import type { Placeholder } from './placeholders.ts';
import { actionLists } from './playbook.ts';
import type { Parameter, PlaybookSource } from './playbook.ts';
import type { Problem } from './problem.ts';
import { didYouMean } from './problem.ts';
import type { Remark, SourceDocument, ValuePath } from './source.ts';

const typeWords = { string: 'text', integer: 'a whole number', boolean: 'true or false' } as const;

/** What is wrong with a parameter's value, as the end of a sentence; `undefined` where nothing is. */
export function valueFault(type: Parameter['type'], value: string | number | boolean): Remark | undefined {
  const isFitting = type === 'integer' ? typeof value === 'number' : typeof value === type;
  if (!isFitting) {
    const hint = type === 'string' ? 'put it in quotes' : undefined;
    return { message: `must be ${typeWords[type]}`, hint };
  }
  // A value goes into scripts, and there a line break inside a comment would begin a command.
  if (typeof value === 'string' && /\p{Cc}/u.test(value))
    return { message: 'must be one line without control characters' };
  return undefined;
}

function checkParameters({ source, value }: Judged<PlaybookSource>): Problem[] {
  return Object.entries(value.spec.parameters ?? {}).flatMap(([name, parameter]) => {
    const at = ['spec', 'parameters', name];
    if (name === newestKernel) {
      const message = `"${name}" is taken: it stands for the newest kernel on the server`;
      return [source.problemAtKey(at, { message, hint: 'give the parameter another name' })];
    }
    if (secretName.test(name)) {
      const message = `"${name}" looks like a secret; parameters are written into the journal and shown`;
      return [source.problemAtKey(at, { message, hint: 'let the script read the secret from a file on the server' })];
    }
    const fault = parameter.default === undefined ? undefined : valueFault(parameter.type, parameter.default);
    if (fault === undefined) return [];
    return [source.problemAt([...at, 'default'], { ...fault, message: `the default of "${name}" ${fault.message}` })];
  });
}

interface TextPlace {
  readonly at: ValuePath;
  readonly isScript: boolean;
  /** Whether `${newest}` may stand here. */
  readonly isKernel: boolean;
}

/** Every text of a playbook in which placeholders count. */
function textPlaces(source: SourceDocument): TextPlace[] {
  const forms = [
    { field: ['ssh', 'run'], isScript: true, isKernel: false },
    { field: ['ssh', 'copy', 'content'], isScript: false, isKernel: false },
    { field: ['ssh', 'copy', 'to'], isScript: false, isKernel: false },
    { field: ['reboot', 'expect', 'kernel'], isScript: false, isKernel: true },
    { field: ['kernel', 'is'], isScript: false, isKernel: true },
  ];
  return ['needed', ...actionLists].flatMap((list) => {
    const entries = source.valueAt(['spec', list]);
    const count = Array.isArray(entries) ? entries.length : 0;
    return Array.from({ length: count }, (_, index) => index).flatMap((index) =>
      forms
        .map(({ field, isScript, isKernel }) => ({ at: ['spec', list, index, ...field], isScript, isKernel }))
        .filter(({ at }) => typeof source.valueAt(at) === 'string'),
    );
  });
}

function placeholderFault(
  { name, inside }: Placeholder,
  written: string,
  { isScript, isKernel }: TextPlace,
  parameters: readonly string[],
): Remark | undefined {
  if (name === newestKernel && isKernel) return undefined;
  if (parameters.includes(name)) {
    if (inside === 'nothing') return undefined;
    const where = inside === 'quotes' ? 'inside quotes' : 'inside a here-document';
    const message = `\${${name}} stands ${where}, but its value is put in with quotes of its own`;
    return {
      message,
      hint:
        inside === 'quotes'
          ? `write \${${name}} without quotes around it`
          : `set a variable before it: ${name}=\${${name}}, and use $${name} there`,
    };
  }
  if (name === newestKernel) {
    const message = `\${${newestKernel}} is known only in "reboot.expect.kernel" and in the check "kernel.is"`;
    return { message, hint: isScript ? 'find the kernel in the script itself' : undefined };
  }
  const message = `${written} is no parameter of this playbook`;
  const known = didYouMean(name, isKernel ? [...parameters, newestKernel] : parameters);
  if (known !== undefined) return { message, hint: known };
  if (!isScript) return { message, hint: `write $${written} for the text itself` };
  const isWord = /^[A-Za-z_]\w*$/.test(name);
  return { message, hint: `write ${isWord ? `$${name} or ` : ''}$${written} for the shell's own` };
}

function checkPlaceholders({ source, value }: Judged<PlaybookSource>): Problem[] {
  const parameters = Object.keys(value.spec.parameters ?? {});
  return textPlaces(source).flatMap((place) => {
    const text = String(source.valueAt(place.at));
    const found = place.isScript ? placeholdersInScript(text) : placeholdersInText(text);
    return found
      .filter(({ kind }) => kind === 'parameter')
      .flatMap((placeholder) => {
        const { offset, length } = placeholder;
        const fault = placeholderFault(placeholder, text.slice(offset, offset + length), place, parameters);
        return fault === undefined ? [] : [source.problemAtPlaceholder(place.at, text, offset, length, fault)];
      });
  });
}

/** A private key in a `copy` would stand in Git and in the journal. */
function checkPrivateKeys({ source }: Judged<PlaybookSource>): Problem[] {
  return textPlaces(source)
    .filter(({ at }) => privateKeysIn(String(source.valueAt(at))).length > 0)
    .map(({ at }) =>
      source.problemAt(at, {
        message: 'a private key stands here; a secret never stands in a document',
        hint: 'bring it to the server by another way',
      }),
    );
}

export function checkPlaybook(judged: Judged<PlaybookSource>): Problem[] {
  return [...checkParameters(judged), ...checkPlaceholders(judged), ...checkPrivateKeys(judged)];
}
