/**
 * Takes secrets out of what is about to be logged: by the name of the field, and by the secret itself, wherever in a
 * text it stands. It is the last net; callers still never pass a secret.
 */

const mask = '[redacted]';
/** Deeper than this nobody reads a log. */
const depthMax = 8;
const itemsMax = 200;
/** A shorter "secret" would take half of every word with it. */
const secretLengthMin = 3;
/** A shorter line of a longer secret tells little, and may stand anywhere. */
const lineLengthMin = 8;

const secretKey =
  /pass(word|wd|phrase)?$|secret|token|private_?-?key|authorization|cookie|credential|api_?-?key|bearer/i;
/** Numbers that count tokens, fencing tokens above all, are no secrets. */
const isHarmless = (value: unknown): boolean =>
  value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean';

export interface Redactor {
  text(text: string): string;
  /** A copy made of plain objects, arrays and scalars, for JSON. */
  value(value: unknown): unknown;
}

/** `secrets` is asked now; use the redactor for one line. */
export function redactor(secrets: readonly string[]): Redactor {
  const forms = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  const text = (input: string): string => forms.reduce((so, form) => so.replaceAll(form, mask), input);

  const value = (input: unknown, depth: number, parents: readonly object[]): unknown => {
    if (typeof input === 'string') return text(input);
    if (typeof input === 'bigint') return input.toString();
    if (typeof input === 'function' || typeof input === 'symbol') return text(String(input));
    if (typeof input !== 'object' || input === null) return input;
    if (parents.includes(input)) return '[circular]';
    if (depth >= depthMax) return '[deep]';
    const within = [...parents, input];
    const next = (item: unknown): unknown => value(item, depth + 1, within);
    if (input instanceof Uint8Array) return `[${input.byteLength} bytes]`;
    if (Array.isArray(input) || input instanceof Set) return [...input].slice(0, itemsMax).map(next);
    if (input instanceof URL || input instanceof Date || input instanceof RegExp) return text(String(input));
    if (input instanceof Map) return next(Object.fromEntries(input));
    const entries = input instanceof Error ? entriesOfError(input) : Object.entries(input);
    return Object.fromEntries(
      entries
        .slice(0, itemsMax)
        .map(([key, item]) => [text(key), secretKey.test(key) && !isHarmless(item) ? mask : next(item)]),
    );
  };
  return { text, value: (input) => value(input, 0, []) };
}

/** A secret as it may appear in a text: as it is, line by line, and the ways in which protocols write it. */
function formsOf(secret: string): string[] {
  // Read from a file it may have a line end that is not part of it.
  return [secret, secret.trim(), ...tellingLinesOf(secret)]
    .filter((form) => form.length >= secretLengthMin)
    .flatMap((form) => [
      form,
      JSON.stringify(form).slice(1, -1),
      encodeURIComponent(form),
      Buffer.from(form).toString('base64'),
      Buffer.from(form).toString('base64url'),
    ]);
}

/** What commands print is kept line by line, and one line of a private key is bad enough. Its frame is known to all. */
function tellingLinesOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/);
  return lines.length < 2 ? [] : lines.filter((line) => line.length >= lineLengthMin && !line.startsWith('-----'));
}

function entriesOfError(error: Error): [string, unknown][] {
  return [
    ['type', error.name],
    ['message', error.message],
    ['stack', error.stack],
    ...(error.cause === undefined ? [] : ([['cause', error.cause]] as [string, unknown][])),
    ...(error instanceof AggregateError ? ([['errors', error.errors]] as [string, unknown][]) : []),
    ...Object.entries(error).filter(([key]) => key !== 'name'),
  ];
}
