/**
 * Which stretches of a file may hold a secret, and how a line looks with them covered.
 *
 * It errs on the side of covering: a frame that shows too little is a nuisance, a password in a log is an incident.
 */
import type { FrameLine } from './problem.ts';

/** Offsets into the text of the file, the end exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The length says nothing about the secret. */
export const maskText = '***';

const secretWord = 'pass(?:word|wd|phrase)|secret|token|private[-_]?key|credential';

/** Names whose value is most likely a secret. */
export const secretName = new RegExp(secretWord, 'i');

/** `password=x` or `password x` in one piece of text: a mistyped secret, not the name of one. */
export function holdsSecret(text: string): boolean {
  return secretName.test(text) && /[^\w./-]/.test(text);
}

const privateKeyBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$(?![\s\S]))/g;

/** `password: x` and `PASSWORD=x` in text that has no structure, save where the value is a reference or a shell variable. */
const secretLine = new RegExp(`(?:${secretWord})[\\w-]*["']?[ \\t]*[:=][ \\t]*(?![{$\\s])(.+)$`, 'gim');

/** Finds secrets without understanding the text: for files that are no YAML, and for scripts. */
export function secretsInText(text: string, offset = 0): Range[] {
  const ranges: Range[] = [];
  for (const match of text.matchAll(secretLine)) {
    const end = offset + match.index + match[0].length;
    ranges.push({ start: end - (match[1] ?? '').length, end });
  }
  return ranges;
}

export function privateKeysIn(text: string): Range[] {
  return [...text.matchAll(privateKeyBlock)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
}

export function overlaps(range: Range, others: readonly Range[]): boolean {
  return others.some((other) => range.start < other.end && other.start < Math.max(range.end, range.start + 1));
}

/** One line with its secrets covered and, where `marked` touches it, the place of the carets. */
export function frameLine(
  line: number,
  text: string,
  lineStart: number,
  secrets: readonly Range[],
  marked: Range | undefined,
): FrameLine {
  const inLine: { start: number; end: number }[] = [];
  for (const secret of secrets.toSorted((a, b) => a.start - b.start)) {
    const start = Math.max(0, secret.start - lineStart);
    const end = Math.min(text.length, secret.end - lineStart);
    const last = inLine.at(-1);
    if (last !== undefined && start < last.end) last.end = Math.max(last.end, end);
    else if (start < end) inLine.push({ start, end });
  }
  let shown = '';
  let done = 0;
  /** From each column of the source to its column in what is shown. */
  const columns: number[] = [];
  const copy = (until: number): void => {
    for (; done < until; done += 1) {
      columns.push(shown.length);
      // A tab would move the carets; the true column stands in the position.
      shown += text[done] === '\t' ? ' ' : (text[done] ?? '');
    }
  };
  for (const { start, end } of inLine) {
    copy(start);
    for (; done < end; done += 1) columns.push(shown.length);
    shown += maskText;
  }
  copy(text.length);
  if (marked === undefined) return { line, text: shown };
  const from = columns[marked.start - lineStart] ?? shown.length;
  const to = columns[marked.end - lineStart] ?? shown.length;
  return { line, text: shown, mark: { column: from + 1, length: Math.max(1, to - from) } };
}
