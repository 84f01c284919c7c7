/**
 * What is wrong in a document, and where. Data only: the command line draws it, the document source puts it in an error.
 *
 * Nothing in a problem ever holds a secret: text and frame come masked (see mask.ts).
 */

/** One line of source around a problem. `mark` is where the carets go, counted in the (masked) text of this line. */
export interface FrameLine {
  readonly line: number;
  readonly text: string;
  readonly mark?: { readonly column: number; readonly length: number } | undefined;
}

export interface Problem {
  /** A warning never stops anything; it is shown. */
  readonly severity: 'error' | 'warning';
  readonly path: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** Characters that are meant, on the first line of them. */
  readonly length: number;
  /** The offending text itself. */
  readonly text: string;
  readonly message: string;
  /** What to do, as a sentence in the imperative, or `did you mean "…"?`. */
  readonly hint?: string | undefined;
  readonly frame: readonly FrameLine[];
}

const question = 'did you mean ';

/** Whether the hint belongs on the line of the message, as in `unknown key "x", did you mean "y"?`. */
export function isQuestion(hint: string): boolean {
  return hint.startsWith(question);
}

/** The problem on one line, without its frame. */
export function describeProblem({ path, line, column, severity, message, hint }: Problem): string {
  const what = severity === 'warning' ? `warning: ${message}` : message;
  const where = `${path}:${line}:${column}  `;
  if (hint === undefined) return where + what;
  return where + what + (isQuestion(hint) ? ', ' : '; ') + hint;
}

export function compareProblems(a: Problem, b: Problem): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** Edits (insert, delete, replace, swap neighbours) between two words. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** A hint where one of the candidates is close to the word: a third of its letters may differ, `editsMax` at most. */
export function didYouMean(word: string, candidates: readonly string[], editsMax = 3): string | undefined {
  // Longer words are no typing mistakes, and comparing them would take long.
  if (word.length > 80) return undefined;
  const limit = Math.min(editsMax, Math.max(1, Math.floor(word.length / 3)));
  const ranked = candidates
    .filter((candidate) => candidate !== word && Math.abs(candidate.length - word.length) <= limit)
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  const best = ranked[0];
  return best === undefined ? undefined : `${question}"${best.candidate}"?`;
}

/** `"a"`, `"a" or "b"`, `"a", "b" or "c"`. */
export function listed(words: readonly string[], last = 'or'): string {
  const quoted = words.map((word) => `"${word}"`);
  if (quoted.length < 2) return quoted.join('');
  return `${quoted.slice(0, -1).join(', ')} ${last} ${quoted.at(-1)}`;
}
