/** What moves took, and how it is printed: rows of a table for docs/measurements.md. */
import type { ClientReport } from '../../src/lab/nodes/clients/meter.ts';
import type { FreezeParts } from '../../src/ports/movers.ts';
import type { MoveEnd } from './moving.ts';

export interface MoveFigures {
  /** The longest time between two answers, as a client saw it. */
  readonly gapMs: number;
  readonly freezeMs: number | undefined;
  readonly parts: FreezeParts | undefined;
}

export function figuresOf(end: MoveEnd, report: ClientReport): MoveFigures {
  if (end.kind !== 'done') throw new Error(`no figures of a move that ${end.kind}: ${end.because}`);
  const { freezeMs, parts } = end.evidence;
  return { gapMs: report.longestGapMs, freezeMs, parts };
}

/** The value below which so many of a hundred lie. */
function percentile(values: readonly number[], hundredth: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * hundredth) / 100))] ?? Number.NaN;
}

/** Median, p95 and worst. */
function spreadOf(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return '–';
  return [50, 95, 100].map((hundredth) => Math.round(percentile(known, hundredth))).join(' / ');
}

const columns: readonly (readonly [title: string, of: (move: MoveFigures) => number | undefined])[] = [
  ['longest gap', ({ gapMs }) => gapMs],
  ['freeze', ({ freezeMs }) => freezeMs],
  ['dump', ({ parts }) => parts?.dumpMs],
  ['transfer', ({ parts }) => parts?.transferMs],
  ['network', ({ parts }) => parts?.networkMs],
  ['restore', ({ parts }) => parts?.restoreMs],
];

/** Milliseconds: median / p95 / worst. */
export function figuresTable(
  rows: readonly { readonly what: string; readonly moves: readonly MoveFigures[] }[],
): string {
  const head = ['moved', 'moves', ...columns.map(([title]) => title)];
  const lines = rows.map(({ what, moves }) => [
    what,
    String(moves.length),
    ...columns.map(([, of]) => spreadOf(moves.map(of))),
  ]);
  const ruler = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [head, ruler, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
