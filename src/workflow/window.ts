/**
 * Whether a server of a run may start now as far as time goes, and if not, what it waits for. Pure.
 *
 * It is asked before a server gets a place and again before its node is cordoned; what has been cordoned goes on to its
 * end, whatever the window says.
 */
import { nextStart, stateAt, type Schedule } from '../schedule/schedule.ts';
import { sayMoment } from '../schedule/words.ts';
import type { RunDefinition, RunServer } from './definition.ts';
import type { Hold } from './hold.ts';

export interface WindowHold {
  readonly hold: Hold;
  /** When to look again; left out: no window opens any more. */
  readonly untilMs?: number | undefined;
}

/** What has to be left of a window when this server starts: the measured times where there are any, else the estimate. */
export function neededMs(schedule: Schedule, server: Pick<RunServer, 'takes'>): number {
  return server.takes?.p95Ms ?? schedule.estimateMs;
}

/** `startedMs`: when the server began to prepare itself. `undefined`: it may go on. */
export function windowHold(
  { schedule }: Pick<RunDefinition, 'schedule'>,
  server: Pick<RunServer, 'takes'>,
  nowMs: number,
  startedMs = nowMs,
): WindowHold | undefined {
  if (!schedule) return undefined;
  const wholeMs = neededMs(schedule, server);
  const takesMs = timeLeft(wholeMs, nowMs - startedMs);
  const next = nextStart(schedule, nowMs, takesMs);
  if (next?.atMs === nowMs) return undefined;
  const opens = next ? `opens ${sayMoment(next.atMs, next.opening.timeZone)}` : 'opens no more within ten years';
  return {
    hold: { kind: 'waiting', for: 'window', text: reasonOf(schedule, wholeMs, nowMs) + opens },
    untilMs: next?.atMs,
  };
}

/**
 * Preparing is part of what was predicted. Where it took longer than half of it, the prediction was wrong for this
 * server, and it needs all of its time anew.
 */
function timeLeft(wholeMs: number, elapsedMs: number): number {
  return elapsedMs >= 0 && elapsedMs <= wholeMs / 2 ? wholeMs - elapsedMs : wholeMs;
}

/** The same words as long as the reason is the same: every change is written into the journal. */
function reasonOf(schedule: Schedule, wholeMs: number, nowMs: number): string {
  const state = stateAt(schedule, nowMs);
  if (state.kind === 'shut') return 'window ';
  if (state.kind === 'blackout') return `${state.blackout.reason}; window `;
  const minutes = Math.ceil(wholeMs / 60_000);
  const shuts = sayMoment(state.span.toMs, state.opening.timeZone);
  return `too late for a server of about ${minutes} min before the window shuts ${shuts}; next one `;
}
