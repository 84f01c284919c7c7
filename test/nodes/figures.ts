/** What moves took, and how it is printed: rows of a table for docs/measurements.md. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientProcess } from '../../src/lab/nodes/clients/client-process.ts';
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

const lookMs = 200;
/** Far behind the longest pause between two tries of TCP that a move could bring about. */
const looksMax = 600;
const answersMin = 20;

/** What a client has seen of a move that is over: not before it has answers again, for until then nobody knows how long it waits. */
export async function reportAfterMove(client: ClientProcess): Promise<ClientReport> {
  let report = await client.report();
  const { answers } = report;
  for (let looks = 0; report.answers < answers + answersMin && report.faults.length === 0; looks += 1) {
    if (looks > looksMax) throw new Error('a client has no answers any more, and no fault');
    await sleep(lookMs);
    const next = await client.report();
    report = { ...next, longestGapMs: Math.max(next.longestGapMs, report.longestGapMs) };
  }
  return report;
}

/** By nearest rank: the smallest value that so many of a hundred do not exceed. */
function percentile(values: readonly number[], hundredth: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * hundredth) / 100) - 1] ?? Number.NaN;
}

export function medianOf(moves: readonly MoveFigures[], of: (move: MoveFigures) => number): number {
  return percentile(moves.map(of), 50);
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
