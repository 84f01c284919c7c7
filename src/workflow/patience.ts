/**
 * How long a run waits in which nothing can start although nothing is wrong with it: for room, or for servers that are down
 * for other reasons. Pure.
 *
 * It bounds only that wait. What servers wait for has bounds of its own, and a person's pause or approval has none.
 */
import { isForRoom, type RoomHold } from './hold.ts';
import type { RunDefinition } from './definition.ts';
import type { RunState } from './run-state.ts';

/** `rollout.waitTimeout` where a plan says nothing: so long, whoever has started it is about to look. */
const defaultMs = 4 * 60 * 60_000;

/** `undefined`: the end of its window is bound enough, and the next window goes on. */
export function patienceMs({ purpose, evacuation, schedule, waitTimeoutMs }: RunDefinition): number | undefined {
  // A person wants one server empty: that waits as long as an evacuation may take.
  if (purpose !== 'maintenance') return evacuation.timeoutMs;
  return waitTimeoutMs ?? (schedule ? undefined : defaultMs);
}

/** When the wait in hand is given up; `undefined`: it is none of this kind, or has no bound. */
export function givesUpMs({ definition, hold, holdSinceMs }: RunState): number | undefined {
  const forMs = isForRoom(hold) ? patienceMs(definition) : undefined;
  return forMs === undefined ? undefined : holdSinceMs + forMs;
}

/** For the end of the run: what it waited for last, and what a person can do. */
export function sayGivenUp({ definition }: RunState, hold: RoomHold): string {
  if (definition.purpose !== 'maintenance') return hold.text;
  const advice = hold.for === 'capacity' ? 'make room' : 'bring back what is down, or allow more';
  const waited = sayLength(patienceMs(definition) ?? 0);
  return `nothing could start for ${waited}: ${hold.text}; ${advice}, then \`pitcrew start ${definition.plan}\``;
}

function sayLength(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
}
