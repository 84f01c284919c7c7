import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Blackout } from '../../src/schedule/blackouts.ts';
import {
  nextStart,
  openingsBetween,
  openingsFrom,
  stateAt,
  type Schedule,
  type Window,
} from '../../src/schedule/schedule.ts';
import { cron, first, hourMs, ms, schedule } from './schedules.ts';

const zones = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Panama',
  'UTC',
  'Africa/Cairo',
  'Pacific/Apia',
];
const dayMs = 24 * hourMs;
const startMs = ms('2026-01-01T00:00Z');

const aWindow: fc.Arbitrary<Window> = fc.record({
  opens: fc
    .tuple(
      fc.integer({ min: 0, max: 59 }),
      fc.constantFrom('0', '1', '2', '3', '22', '*/6', '1-3'),
      fc.constantFrom('* *', '* *', '1,15 *', '* 3-4'),
      fc.constantFrom('*', 'SAT', 'SUN', '1-5'),
    )
    .map(([minute, hour, days, weekday]) => cron(`${minute} ${hour} ${days} ${weekday}`)),
  lastsMs: fc.integer({ min: 1, max: 40 }).map((halves) => halves * 30 * 60_000),
  timeZone: fc.constantFrom(...zones),
});

const aBlackout: fc.Arbitrary<Blackout> = fc
  .record({
    day: fc.integer({ min: 0, max: 360 }),
    days: fc.integer({ min: 0, max: 20 }),
    timeZone: fc.constantFrom(...zones),
    hour: fc.option(fc.integer({ min: 0, max: 22 })),
  })
  .map(({ day, days, timeZone, hour }) => {
    const from = Temporal.PlainDate.from('2026-01-01').add({ days: day });
    const to = from.add({ days });
    const time = (offset: number): string => (hour === null ? '' : `T${String(hour + offset).padStart(2, '0')}:00`);
    return { from: from.toString() + time(0), to: to.toString() + time(1), timeZone, reason: 'freeze' };
  });

const aSchedule: fc.Arbitrary<Schedule> = fc
  .tuple(fc.array(aWindow, { minLength: 1, maxLength: 3 }), fc.array(aBlackout, { maxLength: 3 }))
  .map(([windows, blackouts]) => schedule(windows, blackouts));
const aMoment = fc.integer({ min: 0, max: 365 * 24 * 60 }).map((minutes) => startMs + minutes * 60_000);

describe('openings', () => {
  test('never overlap and never touch, and what is open lies inside', () => {
    fc.assert(
      fc.property(aSchedule, aMoment, (one, nowMs) => {
        const openings = openingsBetween(one, nowMs, nowMs + 40 * dayMs);
        for (const [index, opening] of openings.entries()) {
          expect(opening.fromMs).toBeLessThan(opening.toMs);
          expect(opening.fromMs).toBeGreaterThan(openings[index - 1]?.toMs ?? 0);
          for (const [place, span] of opening.open.entries()) {
            expect(span.fromMs).toBeGreaterThanOrEqual(opening.open[place - 1]?.toMs ?? opening.fromMs);
            expect(span.toMs).toBeGreaterThan(span.fromMs);
            expect(span.toMs).toBeLessThanOrEqual(opening.toMs);
          }
        }
      }),
    );
  });

  test('are the same from wherever one looks at them', () => {
    fc.assert(
      fc.property(aSchedule, aMoment, (one, nowMs) => {
        const wide = openingsBetween(one, nowMs - 10 * dayMs, nowMs + 10 * dayMs).filter(
          (opening) => opening.toMs > nowMs && opening.fromMs < nowMs + dayMs,
        );
        const near = openingsBetween(one, nowMs, nowMs + dayMs);
        // Where windows never shut for two months nobody can say when they opened.
        fc.pre(wide.every((opening) => opening.toMs - opening.fromMs < 20 * dayMs));
        expect(near.map(({ fromMs, toMs, open }) => ({ fromMs, toMs, open }))).toEqual(
          wide.map(({ fromMs, toMs, open }) => ({ fromMs, toMs, open })),
        );
      }),
    );
  });

  test('a daily window opens once on every local day, for any zone, with its length', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones.slice(0, -1)),
        fc.integer({ min: 0, max: 23 }),
        fc.integer({ min: 0, max: 59 }),
        (timeZone, hour, minute) => {
          const daily = schedule([{ opens: cron(`${minute} ${hour} * * *`), lastsMs: 60_000, timeZone }]);
          const openings = openingsBetween(daily, startMs, startMs + 366 * dayMs);
          const days = openings.map(({ fromMs }) =>
            Temporal.Instant.fromEpochMilliseconds(fromMs).toZonedDateTimeISO(timeZone).toPlainDate().toString(),
          );
          expect(new Set(days).size).toBe(days.length);
          expect(days.length).toBeGreaterThanOrEqual(365);
          expect(openings.every(({ fromMs, toMs }) => toMs - fromMs === 60_000)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('what is open now', () => {
  test('agrees with the next start', () => {
    let seen = 0;
    fc.assert(
      fc.property(aSchedule, aMoment, (one, nowMs) => {
        const isOpen = stateAt(one, nowMs).kind === 'open';
        seen += isOpen ? 1 : 0;
        expect(nextStart(one, nowMs, 0)?.atMs === nowMs).toBe(isOpen);
      }),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(20);
  });

  test('a start that is found is open from its first to its last moment, and none comes before it', () => {
    fc.assert(
      fc.property(aSchedule, aMoment, fc.integer({ min: 1, max: 300 }), (one, nowMs, minutes) => {
        const start = nextStart(one, nowMs, minutes * 60_000);
        if (!start) return;
        for (const atMs of [start.atMs, start.atMs + minutes * 30_000, start.atMs + minutes * 60_000 - 1]) {
          expect(stateAt(one, atMs).kind).toBe('open');
        }
        if (start.atMs === nowMs) return;
        // A minute earlier something was shut within the time that it takes.
        const earlier = [0, minutes * 60_000 - 1].map((more) => stateAt(one, start.atMs - 60_000 + more).kind);
        expect(start.atMs - 60_000 < nowMs || earlier.includes('shut') || earlier.includes('blackout')).toBe(true);
      }),
    );
  });

  test('the list of coming openings goes on where the state is', () => {
    fc.assert(
      fc.property(aSchedule, aMoment, (one, nowMs) => {
        const [next, after] = first(openingsFrom(one, nowMs), 2);
        const state = stateAt(one, nowMs);
        expect(state.kind === 'shut' || next?.fromMs === state.opening.fromMs).toBe(true);
        expect(after?.fromMs ?? Infinity).toBeGreaterThan(next?.toMs ?? 0);
      }),
    );
  });
});
