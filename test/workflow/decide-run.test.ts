import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scheduleOf } from '../../src/spec/plan-schedule.ts';
import { decideRun } from '../../src/workflow/decide-run.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import type { RunEvent } from '../../src/workflow/events.ts';
import { givesUpMs } from '../../src/workflow/patience.ts';
import { applyRunEvent, createRun, type RunState } from '../../src/workflow/run-state.ts';
import { plan } from '../simulation/harness.ts';
import { definition, runAfter, runServer, type RunShape } from './fixtures.ts';

const quiet = { nowMs: 100_000, down: new Set<string>() };
const started: RunEvent = { kind: 'waveStarted', wave: 0 };
const admit = (server: string): RunEvent => ({ kind: 'serverAdmitted', server });
const end = (server: string, outcome: 'done' | 'undone' | 'halted'): RunEvent => ({
  kind: 'serverEnded',
  server,
  outcome,
  reason: 'because',
});

function admitted(shape: RunShape, down: readonly string[], ...events: RunEvent[]): string[] {
  const decision = decideRun(runAfter(shape, ...events), { ...quiet, down: new Set(down) });
  return decision.events.flatMap((event) => (event.kind === 'serverAdmitted' ? [event.server] : []));
}

function kinds(shape: RunShape, nowMs: number, ...events: RunEvent[]): string[] {
  return decideRun(runAfter(shape, ...events), { ...quiet, nowMs }).events.map((event) => event.kind);
}

describe('admission', () => {
  it('gives out as many places as the budget has, by name', () => {
    expect(admitted({ maxUnavailable: 2 }, [])).toEqual(['a', 'b']);
  });

  it('counts servers that are down for another reason', () => {
    expect(admitted({ maxUnavailable: 2 }, ['d'])).toEqual(['a', 'd']);
    expect(admitted({ maxUnavailable: 1 }, ['d'])).toEqual(['d']);
  });

  it('lets a target that is down already start without needing another place', () => {
    expect(admitted({ maxUnavailable: 1 }, ['b', 'c'])).toEqual(['b', 'c']);
  });

  it('passes over a server whose pods would find no room beside those that are out, and starts the next', () => {
    const asked: string[] = [];
    const refuses = (server: string, besides: ReadonlySet<string>): string | undefined => {
      asked.push(`${server} beside ${[...besides].sort().join(' ')}`);
      return server === 'b' ? 'no room' : undefined;
    };
    const decision = decideRun(runAfter({ maxUnavailable: 3 }, started), { ...quiet, refuses });
    expect(decision.events).toEqual([admit('a'), admit('c'), admit('d')]);
    expect(asked).toEqual(['a beside ', 'b beside a', 'c beside a', 'd beside a c']);
  });

  it('says which pods find no room where nobody can start, and looks again', () => {
    const decision = decideRun(runAfter({}, started), { ...quiet, refuses: () => 'no room for shop/web-1' });
    const hold = { kind: 'waiting', for: 'capacity', text: 'a: no room for shop/web-1' };
    expect(decision.events).toEqual([{ kind: 'runHoldChanged', hold }]);
    expect(decision.wakeAtMs).toBeDefined();
  });

  it('passes over a server that was left out when the run was started, and ends the wave without it', () => {
    const leftOut = { because: 'shop/db-0: its budget can never be met', owner: 'shop/db' };
    const servers = [{ ...runServer('a'), leftOut }, runServer('b')];
    expect(admitted({ servers }, [])).toEqual(['b']);
    expect(kinds({ servers }, 1, started, admit('b'), end('b', 'done'))).toEqual(['waveFinished', 'runEnded']);
    expect(runAfter({ servers }).ends).toMatchObject({
      a: { outcome: 'skipped', reason: 'left out: shop/db-0: its budget can never be met' },
    });
  });

  it('starts nothing with a budget of zero', () => {
    expect(admitted({ maxUnavailable: 0 }, [])).toEqual([]);
  });

  it('keeps to maxParallel within the budget', () => {
    expect(admitted({ maxUnavailable: 3, maxParallel: 2 }, [])).toEqual(['a', 'b']);
  });

  it('keeps the budget place of a halted server, and not its place in maxParallel', () => {
    const shape = { maxUnavailable: 2, maxParallel: 1, haltAfter: { failures: 5 } };
    expect(admitted(shape, [], started, admit('a'), end('a', 'halted'))).toEqual(['b']);
    expect(admitted({ ...shape, maxUnavailable: 1 }, [], started, admit('a'), end('a', 'halted'))).toEqual([]);
  });

  it('gives the place of an undone server free: it is in service', () => {
    const shape = { maxUnavailable: 1, haltAfter: { failures: 5 } };
    expect(admitted(shape, [], started, admit('a'), end('a', 'undone'))).toEqual(['b']);
  });

  it('works in one failure domain at a time, by name, servers without one last', () => {
    const servers = [runServer('a', ''), runServer('b', 'z2'), runServer('c', 'z1'), runServer('d', 'z1')];
    const shape = { servers, maxUnavailable: 4 };
    expect(admitted(shape, [])).toEqual(['c', 'd']);
    expect(admitted(shape, [], started, admit('c'), admit('d'), end('c', 'done'), end('d', 'done'))).toEqual(['b']);
  });

  it('finishes the domain in progress before it begins another', () => {
    const servers = [runServer('a', 'z1'), runServer('b', 'z2'), runServer('c', 'z2')];
    expect(admitted({ servers, maxUnavailable: 2 }, [], started, admit('b'))).toEqual(['c']);
  });

  it('starts no new server while the run is paused', () => {
    expect(admitted({}, [], { kind: 'paused', by: 'me' })).toEqual([]);
    expect(admitted({}, [], { kind: 'paused', by: 'me' }, { kind: 'resumed', by: 'me' })).toEqual(['a']);
  });

  it('never exceeds budget, parallel limit or domain, whatever has happened before', () => {
    const outcome = fc.constantFrom('done' as const, 'undone' as const, 'halted' as const, 'active' as const);
    const server = fc.record({ domain: fc.constantFrom('', 'x', 'y'), fate: fc.option(outcome), down: fc.boolean() });
    let looked = 0;
    fc.assert(
      fc.property(
        fc.array(server, { minLength: 1, maxLength: 12 }),
        fc.nat(6),
        fc.nat(6),
        (fleet, maxUnavailable, maxParallel) => {
          const servers = fleet.map(({ domain }, index) => runServer(`s${String(index).padStart(2, '0')}`, domain));
          let run = createRun(definition({ servers, maxUnavailable, maxParallel, haltAfter: { failures: 99 } }), 0);
          fleet.forEach(({ fate }, index) => {
            const name = servers[index]?.name ?? '';
            if (fate) run = applyRunEvent(run, admit(name), 1);
            if (fate && fate !== 'active') run = applyRunEvent(run, end(name, fate), 2);
          });
          const down = new Set(servers.filter((_, index) => fleet[index]?.down).map(({ name }) => name));
          const before = new Set([...run.admitted, ...down]);
          const fresh = decideRun(run, { nowMs: 3, down }).events.flatMap((e) =>
            e.kind === 'serverAdmitted' ? [e.server] : [],
          );
          const needingPlace = fresh.filter((name) => !before.has(name));
          if (needingPlace.length > 0) expect(before.size + needingPlace.length).toBeLessThanOrEqual(maxUnavailable);
          const active = [...run.admitted].filter((name) => !run.ends[name]).length;
          if (fresh.length > 0) expect(active + fresh.length).toBeLessThanOrEqual(maxParallel);
          const busy = new Set([...run.admitted, ...fresh].map((name) => servers.find((s) => s.name === name)?.domain));
          const busyBefore = new Set([...run.admitted].map((name) => servers.find((s) => s.name === name)?.domain));
          expect(busy.size).toBeLessThanOrEqual(Math.max(1, busyBefore.size));
          looked += fresh.length;
        },
      ),
      { numRuns: 2_000 },
    );
    expect(looked).toBeGreaterThan(100);
  });
});

describe('waves', () => {
  const waves = [
    { servers: ['a'], soakMs: 60_000, approval: true },
    { servers: ['b', 'c', 'd'], soakMs: 0, approval: false },
  ];
  const first = [started, admit('a'), end('a', 'done')];

  it('soak first, ask for the approval then, and only then end', () => {
    expect(kinds({ waves }, 10_000, ...first)).toEqual(['soakStarted', 'runHoldChanged']);
    const soaking: RunEvent = { kind: 'soakStarted', wave: 0, untilMs: 70_000 };
    expect(kinds({ waves }, 69_999, ...first, soaking)).toEqual([]);
    expect(kinds({ waves }, 70_000, ...first, soaking)).toEqual(['approvalRequested', 'runHoldChanged']);
    const asked: RunEvent = { kind: 'approvalRequested', wave: 0 };
    expect(kinds({ waves }, 90_000, ...first, soaking, asked)).toEqual([]);
    const approved: RunEvent = { kind: 'approved', wave: 0, by: 'me' };
    expect(kinds({ waves }, 90_000, ...first, soaking, asked, approved)).toEqual(['waveFinished']);
  });

  it('do not begin before the one before has ended', () => {
    expect(admitted({ waves, maxUnavailable: 4 }, [], started, admit('a'))).toEqual([]);
  });

  it('do not end while one of their servers waits for a person', () => {
    const shape = { waves, haltAfter: { failures: 5 } };
    expect(kinds(shape, 10_000, started, admit('a'), end('a', 'halted'))).toEqual(['runEnded']);
    const skipped: RunEvent = { kind: 'skipRequested', server: 'a', by: 'me' };
    expect(kinds(shape, 10_000, started, admit('a'), end('a', 'halted'), skipped)).toContain('soakStarted');
  });
});

describe('the end of a run', () => {
  it('is "done" when every server is done or skipped', () => {
    const all = ['a', 'b', 'c', 'd'].flatMap((name) => [admit(name), end(name, 'done')]);
    const decision = decideRun(runAfter({}, started, ...all), quiet);
    expect(decision.events.at(-1)).toEqual({ kind: 'runEnded', outcome: 'done', reason: '' });
  });

  it('is "halted" after as many failures as the plan allows, once the others have ended', () => {
    const shape = { maxUnavailable: 3, haltAfter: { failures: 1 } };
    const events = [started, admit('a'), admit('b'), end('a', 'halted')];
    expect(decideRun(runAfter(shape, ...events), quiet).events).toMatchObject([
      { kind: 'runHoldChanged', hold: { kind: 'blocked' } },
    ]);
    const ended = decideRun(runAfter(shape, ...events, end('b', 'done')), quiet);
    expect(ended.events).toMatchObject([{ kind: 'runEnded', outcome: 'halted' }]);
  });

  it('counts failures in a row only while no success lies between', () => {
    const shape = { maxUnavailable: 4, haltAfter: { failures: 9, consecutive: 2 } };
    const mixed = [
      started,
      admit('a'),
      end('a', 'undone'),
      admit('b'),
      end('b', 'done'),
      admit('c'),
      end('c', 'undone'),
    ];
    expect(admitted(shape, [], ...mixed)).toEqual(['d']);
    const inARow = [started, admit('a'), end('a', 'undone'), admit('b'), end('b', 'undone')];
    expect(admitted(shape, [], ...inARow)).toEqual([]);
  });

  it('is "halted" when a halted server keeps the place or the domain that every other one would need', () => {
    const servers = [runServer('a', 'z1'), runServer('b', 'z2')];
    const shape = { servers, maxUnavailable: 2, haltAfter: { failures: 9 } };
    const ended = decideRun(runAfter(shape, started, admit('a'), end('a', 'halted')), quiet);
    expect(ended.events).toMatchObject([{ kind: 'runEnded', outcome: 'halted' }]);
  });

  it('is taken back by a retry, and by a skip', () => {
    const halted = [
      started,
      admit('a'),
      end('a', 'halted'),
      { kind: 'runEnded', outcome: 'halted', reason: '' } as const,
    ];
    expect(runAfter({}, ...halted, { kind: 'retryRequested', server: 'a', by: 'me' }).ended).toBeUndefined();
    expect(admitted({}, [], ...halted, { kind: 'skipRequested', server: 'a', by: 'me' })).toEqual(['b']);
  });

  it('is "undone" after a stop, as soon as nothing is in progress', () => {
    const events: RunEvent[] = [started, admit('a'), { kind: 'stopRequested', by: 'me' }];
    expect(decideRun(runAfter({}, ...events), quiet).events).toEqual([]);
    expect(decideRun(runAfter({}, ...events, end('a', 'undone')), quiet).events).toMatchObject([
      { kind: 'runEnded', outcome: 'undone', reason: 'stopped by me; 0 of 4 servers were done' },
    ]);
  });

  it('is "halted" where one server that a person wants empty finds no room for as long as an evacuation may take', () => {
    const hold = { kind: 'waiting', for: 'capacity', text: 'earlier words' } as const;
    const run = runAfter({ servers: [runServer('a')] }, started, { kind: 'runHoldChanged', hold });
    const evacuation = { ...run, definition: { ...run.definition, purpose: 'evacuate' as const } };
    const refuses = (): string => 'no room';
    const at = (nowMs: number, state: typeof run): unknown => decideRun(state, { ...quiet, nowMs, refuses }).events;
    const limitMs = 2_000 + run.definition.evacuation.timeoutMs;
    expect(at(limitMs - 1, evacuation)).toMatchObject([{ kind: 'runHoldChanged', hold: { for: 'capacity' } }]);
    expect(at(limitMs, evacuation)).toMatchObject([
      { kind: 'runEnded', outcome: 'halted', reason: expect.any(String) },
    ]);
    expect(at(limitMs, run)).toMatchObject([{ kind: 'runHoldChanged' }]);
  });
});

describe('a run in which nothing can start', () => {
  const hours = 60 * 60_000;
  const room = { kind: 'waiting', for: 'capacity', text: 'a: no room' } as const;
  const budget = { kind: 'waiting', for: 'budget', text: 'budget: x unavailable, at most 1 may be' } as const;
  const refuses = (): string => 'no room';
  const waiting = (...events: RunEvent[]): RunState => runAfter({}, started, ...events);
  const heldSince2s = waiting({ kind: 'runHoldChanged', hold: room });
  const endsAt = (nowMs: number, state: RunState): unknown =>
    decideRun(state, { ...quiet, nowMs, refuses }).events.find(({ kind }) => kind === 'runEnded');
  const change = (run: RunState, more: Partial<RunDefinition>): RunState => ({
    ...run,
    definition: { ...run.definition, ...more },
  });

  it('halts after four hours, says what it waited for and what to do, and tells beforehand when', () => {
    const untilMs = 2_000 + 4 * hours;
    expect(endsAt(untilMs - 1, heldSince2s)).toBeUndefined();
    expect(givesUpMs(heldSince2s)).toBe(untilMs);
    expect(endsAt(untilMs, heldSince2s)).toMatchObject({
      outcome: 'halted',
      reason: 'nothing could start for 4 h: a: no room; make room, then `pitcrew start weekly`',
    });
  });

  it('waits as long as the plan says', () => {
    const patient = change(heldSince2s, { waitTimeoutMs: 30 * 60_000 });
    expect(endsAt(2_000 + 30 * 60_000 - 1, patient)).toBeUndefined();
    expect(endsAt(2_000 + 30 * 60_000, patient)).toMatchObject({
      reason: expect.stringMatching(/^nothing could start for 30 min: /),
    });
  });

  it('names those that are down for other reasons', () => {
    const run = waiting({ kind: 'runHoldChanged', hold: budget });
    const down = new Set(['x', 'y']);
    const events = decideRun(run, { nowMs: 2_000 + 4 * hours, down }).events;
    expect(events).toMatchObject([
      {
        kind: 'runEnded',
        reason:
          'nothing could start for 4 h: budget: x, y unavailable, at most 1; bring back what is down, or allow more, then `pitcrew start weekly`',
      },
    ]);
  });

  it('gains no time by waiting for room and for the budget in turns, and all of it by a server that starts', () => {
    const inTurns = waiting({ kind: 'runHoldChanged', hold: room }, { kind: 'runHoldChanged', hold: budget });
    expect(givesUpMs(inTurns)).toBe(2_000 + 4 * hours);
    const progress: RunEvent[] = [admit('a'), end('a', 'done'), { kind: 'runHoldChanged', hold: room }];
    expect(givesUpMs(waiting({ kind: 'runHoldChanged', hold: room }, ...progress))).toBe(5_000 + 4 * hours);
    const pause: RunEvent = { kind: 'runHoldChanged', hold: { kind: 'paused', by: 'me' } };
    const again: RunEvent = { kind: 'runHoldChanged', hold: room };
    expect(givesUpMs(waiting({ kind: 'runHoldChanged', hold: room }, pause, again))).toBe(4_000 + 4 * hours);
  });

  it('never ends as long as anybody is at work', () => {
    const atWork = waiting({ kind: 'runHoldChanged', hold: room }, admit('a'));
    expect(endsAt(100 * hours, atWork)).toBeUndefined();
  });

  it('waits for its next window where it has windows, unless the plan says how long', () => {
    const windows = [{ opens: '0 0 * * *', lasts: '23h', timeZone: 'UTC' }];
    const { schedule } = plan({ schedule: { windows } }).spec;
    if (!schedule) throw new Error('a schedule');
    const inWindow = change(heldSince2s, { schedule: scheduleOf(schedule) });
    const lateMs = 2_000 + 5 * hours;
    expect(endsAt(lateMs, inWindow)).toBeUndefined();
    expect(givesUpMs(inWindow)).toBeUndefined();
    expect(endsAt(lateMs, change(inWindow, { waitTimeoutMs: hours }))).toMatchObject({ outcome: 'halted' });
  });
});
