/** Draws the problems of documents for a terminal: place, sentence, the lines around it, and how many there are. Pure. */
import type { PassedOver } from '../adapters/system/document-set.ts';
import { isQuestion } from '../spec/problem.ts';
import type { Problem } from '../spec/problem.ts';

export interface ProblemStyle {
  readonly color: boolean;
  /** How many documents were read, for the last line. */
  readonly documentCount: number;
  /** Files that are not read and look as if they were meant to be. */
  readonly passedOver?: readonly PassedOver[];
}

type Paint = (text: string) => string;

function painter(color: boolean): Readonly<Record<'error' | 'warning' | 'faint' | 'strong', Paint>> {
  const ansi =
    (code: number): Paint =>
    (text) =>
      color ? `\u001B[${code}m${text}\u001B[0m` : text;
  return { error: ansi(31), warning: ansi(33), faint: ansi(2), strong: ansi(1) };
}

/** Text from a document may hold control characters, and they must not reach the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\uFFFD');
}

function renderOne(problem: Problem, paint: ReturnType<typeof painter>): string[] {
  const { path, line, column, severity, message, hint, frame } = problem;
  const said = severity === 'warning' ? `${paint.warning('warning:')} ${message}` : message;
  const asks = hint !== undefined && isQuestion(hint);
  const head = `${paint.strong(`${path}:${line}:${column}`)}  ${printable(said + (asks ? `, ${hint}` : ''))}`;
  const gutter = (text: string | number): string => paint.faint(`${String(text).padStart(5)} |`);
  const drawn = frame.flatMap(({ line: number, text, mark }) => {
    const row = `${gutter(number)} ${printable(text)}`.trimEnd();
    if (mark === undefined) return [row];
    const carets = paint[severity]('^'.repeat(mark.length));
    return [row, `${gutter('')} ${' '.repeat(mark.column - 1)}${carets}`];
  });
  return [head, ...drawn, ...(hint === undefined || asks ? [] : [`      ${printable(hint)}`])];
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

function lastLine(problems: readonly Problem[], documentCount: number): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  const documents = counted(documentCount, 'document');
  if (problems.length === 0) return `${documents}, no problem`;
  const parts = [
    ...(errors > 0 ? [counted(errors, 'error')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
  ];
  const places = new Set(problems.map(({ path }) => path)).size;
  return `${parts.join(' and ')} in ${places} of ${documents}`;
}

export function renderProblems(
  problems: readonly Problem[],
  { color, documentCount, passedOver = [] }: ProblemStyle,
): string {
  const paint = painter(color);
  const unread = passedOver.map(
    ({ path, because }) => `${paint.strong(printable(path))}  ${paint.warning('not read:')} ${because}`,
  );
  const lines = problems.flatMap((problem) => renderOne(problem, paint));
  const last = [
    lastLine(problems, documentCount),
    ...(unread.length > 0 ? [`${counted(unread.length, 'file')} not read`] : []),
  ];
  return `${[...lines, ...unread, last.join('; ')].join('\n')}\n`;
}
