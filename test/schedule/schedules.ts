/** Small schedules, and times written as people read them. */
import type { Blackout } from '../../src/schedule/blackouts.ts';
import { parseCron, type Cron } from '../../src/schedule/cron.ts';
import type { Opening, Schedule, Span, Window } from '../../src/schedule/schedule.ts';

export function cron(text: string): Cron {
  const parsed = parseCron(text);
  if ('fault' in parsed) throw new Error(`${text}: ${parsed.fault.message}`);
  return parsed.cron;
}

export const hourMs = 3_600_000;

export function window(opens: string, lastsHours: number, timeZone = 'Europe/Berlin'): Window {
  return { opens: cron(opens), lastsMs: lastsHours * hourMs, timeZone };
}

export function schedule(windows: readonly Window[], blackouts: readonly Blackout[] = []): Schedule {
  return { windows, blackouts, startAutomatically: false, estimateMs: 30 * 60_000 };
}

export function ms(instant: string): number {
  return Temporal.Instant.from(instant).epochMilliseconds;
}

export function utc(atMs: number): string {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toString().replace(':00Z', 'Z');
}

export function span({ fromMs, toMs }: Span): string {
  return `${utc(fromMs)} ${utc(toMs)}`;
}

/** The first few of a list without end. */
export function first(openings: Iterable<Opening>, count: number): Opening[] {
  const found: Opening[] = [];
  for (const opening of openings) {
    if (found.length >= count) break;
    found.push(opening);
  }
  return found;
}
