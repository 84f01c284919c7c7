/**
 * What the charts of a rehearsal have in common, on a terminal and in a picture: which phases look alike, how time is cut
 * into stretches in which something goes on, and where the marks of a time axis stand. Pure.
 */
import type { Phase } from '../workflow/definition.ts';
import type { Bar, Rehearsal, RehearsedServer } from './result.ts';

export const stages = ['prepare', 'evacuate', 'service', 'reboot', 'return', 'undo'] as const;
export type Stage = (typeof stages)[number];

/** Seconds-long phases are shown with their neighbours. `undefined`: nothing is at work then. */
export function stageOf(phase: Phase): Stage | undefined {
  switch (phase) {
    case 'preparing':
      return 'prepare';
    case 'cordoning':
    case 'evacuating':
      return 'evacuate';
    case 'servicing':
      return 'service';
    case 'rebooting':
      return 'reboot';
    case 'rejoining':
    case 'verifying':
    case 'returning':
      return 'return';
    case 'undoing':
      return 'undo';
    case 'pending':
    case 'done':
    case 'undone':
    case 'halted':
    case 'skipped':
      return undefined;
  }
}

export interface StageBar {
  readonly stage: Stage;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Neighbouring bars of one stage are one. */
export function stageBars(bars: readonly Bar[]): StageBar[] {
  const joined: StageBar[] = [];
  for (const { phase, fromMs, toMs } of bars) {
    const stage = stageOf(phase);
    if (stage === undefined) continue;
    const before = joined.at(-1);
    if (before?.stage === stage && before.toMs === fromMs) joined[joined.length - 1] = { ...before, toMs };
    else joined.push({ stage, fromMs, toMs });
  }
  return joined;
}

/** A stretch of time in which servers are at work, with them in the order in which they start. */
export interface Session {
  readonly fromMs: number;
  readonly toMs: number;
  readonly servers: readonly RehearsedServer[];
}

/** A run that goes on in the next window leaves a gap of days, which no chart can show to scale. */
const gapMsMin = 4 * 3_600_000;

export function sessionsOf({ servers, startMs, endMs }: Rehearsal): Session[] {
  const started = servers
    .filter(({ bars }) => bars.length > 0)
    .sort((a, b) => startOf(a) - startOf(b) || (a.name < b.name ? -1 : 1));
  const bars = started.flatMap((server) => server.bars).sort((a, b) => a.fromMs - b.fromMs);
  const spans: { fromMs: number; toMs: number }[] = [];
  for (const { fromMs, toMs } of bars) {
    const last = spans.at(-1);
    if (last && fromMs - last.toMs < gapMsMin) last.toMs = Math.max(last.toMs, toMs);
    else spans.push({ fromMs, toMs });
  }
  if (spans.length === 0) return [{ fromMs: startMs, toMs: Math.max(endMs, startMs + 1), servers: [] }];
  return spans.map((span) => ({
    ...span,
    servers: started.filter((server) => server.bars.some((bar) => bar.fromMs < span.toMs && bar.toMs > span.fromMs)),
  }));
}

function startOf({ bars }: RehearsedServer): number {
  return bars[0]?.fromMs ?? 0;
}

const minuteMs = 60_000;
const steps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * minuteMs);

/** Round moments of the time zone's clock, at most `most` of them. */
export function ticksOf(fromMs: number, toMs: number, most: number, timeZone: string): number[] {
  const stepMs = steps.find((step) => (toMs - fromMs) / step <= most) ?? (toMs - fromMs) / Math.max(1, most);
  const zoned = Temporal.Instant.fromEpochMilliseconds(Math.trunc(fromMs)).toZonedDateTimeISO(timeZone);
  const midnightMs = zoned.startOfDay().epochMilliseconds;
  const ticks: number[] = [];
  for (let atMs = midnightMs + Math.ceil((fromMs - midnightMs) / stepMs) * stepMs; atMs <= toMs; atMs += stepMs) {
    ticks.push(atMs);
  }
  return ticks;
}

/** The last moment at which a server was at work, and how much of the window was left then. */
export function spareMs({ windows, servers }: Rehearsal): number | undefined {
  const lastMs = Math.max(...servers.flatMap(({ endedMs }) => endedMs ?? []));
  const window = windows.find(({ fromMs, toMs }) => fromMs <= lastMs && lastMs <= toMs);
  return window && window.toMs - lastMs;
}
