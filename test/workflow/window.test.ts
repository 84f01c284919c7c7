import { describe, expect, it } from 'vitest';
import { controlOf, decideServer } from '../../src/workflow/decide-server.ts';
import { decideRun } from '../../src/workflow/decide-run.ts';
import type { RunEvent } from '../../src/workflow/events.ts';
import { applyRunEvent, createRun, type RunState } from '../../src/workflow/run-state.ts';
import { windowHold } from '../../src/workflow/window.ts';
import type { Schedule } from '../../src/schedule/schedule.ts';
import { hourMs, ms, schedule, window } from '../schedule/schedules.ts';
import { definition, serverAfter, until } from './fixtures.ts';

const weekly: Schedule = schedule(
  [window('0 22 * * SAT', 6)],
  [{ from: '2026-12-19', to: '2026-12-19', timeZone: 'Europe/Berlin', reason: 'change freeze' }],
);
const opensMs = ms('2026-11-28T21:00Z');
const shutsMs = ms('2026-11-29T03:00Z');
const nextMs = ms('2026-12-05T21:00Z');
const minuteMs = 60_000;
const planned = { ...definition({ maxUnavailable: 2 }), schedule: weekly };

function run(...events: RunEvent[]): RunState {
  return events.reduce((state, event) => applyRunEvent(state, event, opensMs), createRun(planned, opensMs - hourMs));
}

function decide(state: RunState, nowMs: number) {
  return decideRun(state, { nowMs, down: new Set() });
}

describe('a run with windows', () => {
  it('gives out no place while the window is shut, says when it opens, and wakes then', () => {
    expect(decide(run(), opensMs - 1)).toEqual({
      events: [
        { kind: 'runHoldChanged', hold: { kind: 'waiting', for: 'window', text: 'window opens Sat 28 Nov 22:00 CET' } },
      ],
      wakeAtMs: opensMs,
    });
  });

  it('gives out places from the opening instant on', () => {
    const { events } = decide(run(), opensMs);
    expect(events.map((event) => event.kind)).toEqual(['waveStarted', 'serverAdmitted', 'serverAdmitted']);
  });

  it('starts a server that would end at the closing instant, and none a millisecond later', () => {
    expect(decide(run(), shutsMs - 30 * minuteMs).events).toHaveLength(3);
    expect(decide(run(), shutsMs - 30 * minuteMs + 1)).toMatchObject({
      events: [
        {
          hold: {
            for: 'window',
            text: 'too late for a server of about 30 min before the window shuts Sun 29 Nov 04:00 CET; next one opens Sat 5 Dec 22:00 CET',
          },
        },
      ],
      wakeAtMs: nextMs,
    });
  });

  it('goes by the measured time of each server where there is one: a quick one still starts where a slow one does not', () => {
    const takes = (minutes: number) => ({ p50Ms: 0, p95Ms: minutes * minuteMs, measured: 9, group: 'kernel' });
    const minutes: Record<string, number> = { a: 60, b: 10, c: 60, d: 11 };
    const servers = planned.servers.map((server) => ({ ...server, takes: takes(minutes[server.name] ?? 0) }));
    const measured = createRun({ ...planned, servers }, opensMs);
    const starts = (nowMs: number): string[] =>
      decide(measured, nowMs).events.flatMap((event) => (event.kind === 'serverAdmitted' ? [event.server] : []));
    expect(starts(shutsMs - 60 * minuteMs)).toEqual(['a', 'b']);
    expect(starts(shutsMs - 59 * minuteMs)).toEqual(['b', 'd']);
    expect(starts(shutsMs - 10 * minuteMs)).toEqual(['b']);
    expect(decide(measured, shutsMs - 9 * minuteMs)).toMatchObject({ wakeAtMs: nextMs });
  });

  it('says that it waits once, however often it is asked', () => {
    const state = run(...decide(run(), shutsMs).events);
    expect(decide(state, shutsMs + hourMs).events).toEqual([]);
    expect(decide(state, shutsMs + 48 * hourMs).events).toEqual([]);
  });

  it('starts nothing in a blackout, and names its reason', () => {
    const hold = windowHold(planned, {}, ms('2026-12-19T22:00Z'));
    expect(hold).toMatchObject({
      hold: { text: 'change freeze; window opens Sun 20 Dec 00:00 CET' },
      untilMs: ms('2026-12-19T23:00Z'),
    });
  });

  it('lets servers go on that have begun, and ends once they are done', () => {
    const busy = run(
      { kind: 'waveStarted', wave: 0 },
      ...['a', 'b', 'c', 'd'].map((server): RunEvent => ({ kind: 'serverAdmitted', server })),
    );
    expect(decide(busy, shutsMs + hourMs).events).toEqual([]);
  });

  it('ends halted in the shut window where nothing could start anyway', () => {
    const state = run(
      { kind: 'waveStarted', wave: 0 },
      { kind: 'serverAdmitted', server: 'a' },
      { kind: 'serverEnded', server: 'a', outcome: 'halted', reason: 'x' },
    );
    expect(decide(state, shutsMs).events).toMatchObject([{ kind: 'runEnded', outcome: 'halted' }]);
  });
});

describe('a server with a place', () => {
  const control = controlOf(run({ kind: 'waveStarted', wave: 0 }, { kind: 'serverAdmitted', server: 'a' }), 'a');
  const decideAt = (nowMs: number, ...events: Parameters<typeof serverAfter>) =>
    decideServer(
      planned,
      { ...serverAfter(...events), startedMs: events.length > 0 ? nowMs - 5 * minuteMs : undefined },
      control,
      nowMs,
    );

  it('does not begin outside of the window', () => {
    expect(decideAt(shutsMs)).toMatchObject({ kind: 'hold', hold: { for: 'window' } });
    expect(decideAt(opensMs)).toMatchObject({ kind: 'start', step: { kind: 'prepare' } });
  });

  it('is not cordoned when it is not predicted to finish; the time that it needed to prepare counts', () => {
    expect(decideAt(shutsMs - 25 * minuteMs, ...until('cordon'))).toMatchObject({
      kind: 'start',
      step: { kind: 'cordon' },
    });
    expect(decideAt(shutsMs - 25 * minuteMs + 1, ...until('cordon'))).toMatchObject({
      kind: 'hold',
      hold: { for: 'window' },
    });
  });

  it('needs all of its time anew where preparing took more than half of it', () => {
    const hold = (startedAgoMs: number) =>
      windowHold(planned, {}, shutsMs - 20 * minuteMs, shutsMs - 20 * minuteMs - startedAgoMs);
    expect(hold(15 * minuteMs)).toBeUndefined();
    expect(hold(16 * minuteMs)).toBeDefined();
    expect(hold(-1)).toBeDefined();
  });

  it('goes on to its end once it is cordoned', () => {
    for (const step of ['evacuate', 'service-1', 'reboot-2', 'return']) {
      expect(decideAt(shutsMs + hourMs, ...until(step))).toMatchObject({ kind: 'start', step: { id: step } });
    }
  });
});
