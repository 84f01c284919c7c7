import { describe, expect, it } from 'vitest';
import { decideRebalance, type RebalanceDecision } from '../../src/workflow/decide-rebalance.ts';
import { decideRun } from '../../src/workflow/decide-run.ts';
import type { RunEvent, Spread } from '../../src/workflow/events.ts';
import { applyRunEvent, createRun, type RunState } from '../../src/workflow/run-state.ts';
import { definition, runServer } from './fixtures.ts';

const policy = { policy: 'spread', maxMoves: 2, timeoutMs: 600_000 } as const;
const uneven: Spread = { points: 60 };
const pod = (uid: string): { namespace: string; name: string; uid: string } => ({ namespace: 'shop', name: uid, uid });

function moveStarted(uid: string): RunEvent {
  const order = { id: uid, target: '', predictedMs: 1, timeoutMs: 60_000, budgets: [], promise: 'nothing: restart' };
  const move = { kind: 'moveStarted' as const, pod: pod(uid), mover: 'surge', ...order };
  return { kind: 'rebalanceMoveStarted', move, from: 'a', to: 'b', percent: 80, group: 'g', members: 3 };
}

function moveFinished(uid: string, result: 'done' | 'rolledBack' | 'failed' = 'done'): RunEvent {
  return { kind: 'rebalanceMoveChanged', change: { kind: 'moveFinished', pod: pod(uid), result, because: 'budget' } };
}

const started: RunEvent = { kind: 'rebalanceStarted', before: uneven };
const measured: RunEvent = { kind: 'rebalanceMeasured', spread: { points: 40 }, helped: true };
const brought = (points: number, helped: boolean): RunEvent => ({ ...measured, spread: { points }, helped });

/** Events one second apart, from second 1 on, after a run of one wave is through. */
function after(events: readonly RunEvent[], change: Partial<RunState['definition']> = {}): RunState {
  const through: RunEvent[] = [
    { kind: 'waveStarted', wave: 0 },
    { kind: 'serverAdmitted', server: 'a' },
    { kind: 'serverEnded', server: 'a', outcome: 'done', reason: '' },
    { kind: 'waveFinished', wave: 0 },
  ];
  const shape = { ...definition({ servers: [runServer('a')] }), rebalance: policy, ...change };
  return [...through, ...events].reduce(
    (state, event, index) => applyRunEvent(state, event, (index + 1) * 1_000),
    createRun(shape, 0),
  );
}

function decide(state: RunState, nowMs = 10_000, down: string[] = []): RebalanceDecision {
  return decideRebalance(state, { nowMs, down: new Set(down) });
}

describe('a run with a rebalancing', () => {
  it('has the word after the last wave, and ends done with it, also where it was stopped', () => {
    const observation = { nowMs: 10_000, down: new Set<string>() };
    expect(decideRun(after([]), observation)).toEqual({ events: [], rebalancing: true });
    const over: RunEvent[] = [started, { kind: 'stopRequested', by: 'ann' }, { kind: 'rebalanceEnded', reason: 'x' }];
    expect(decideRun(after(over), observation).events).toEqual([{ kind: 'runEnded', outcome: 'done', reason: '' }]);
  });

  it('without one ends at once', () => {
    for (const rebalance of [undefined, { ...policy, policy: 'none' as const }]) {
      const { events, rebalancing } = decideRun(after([], { rebalance }), { nowMs: 10_000, down: new Set() });
      expect([events.map(({ kind }) => kind), rebalancing]).toEqual([['runEnded'], undefined]);
    }
  });
});

describe('the next step of a rebalancing', () => {
  it('is to measure first, then to plan, to bring the move further, and to measure again', () => {
    expect(decide(after([]))).toEqual({ kind: 'start' });
    expect(decide(after([started]))).toEqual({ kind: 'next' });
    expect(decide(after([started, moveStarted('p')]))).toMatchObject({ kind: 'advance', open: { from: 'a' } });
    const finished = after([started, moveStarted('p'), moveFinished('p')]);
    expect(decide(finished)).toMatchObject({ kind: 'measure', untilMs: 7_000 + 300_000 });
    expect(decide(after([started, moveStarted('p'), moveFinished('p'), measured]))).toEqual({ kind: 'next' });
  });

  const twice = [started, moveStarted('p'), moveFinished('p'), measured, moveStarted('q'), moveFinished('q')];
  it.each<[string, RunEvent[], string]>([
    ['the servers are even enough', [started, moveStarted('p'), moveFinished('p'), brought(20, true)], ''],
    ['all moves are made', [...twice, measured], 'as many moves as the plan allows: 2'],
    [
      'a move has brought nothing',
      [started, moveStarted('p'), moveFinished('p'), brought(60, false)],
      'moving shop/p brought nothing',
    ],
    [
      'a move has failed',
      [started, moveStarted('p'), moveFinished('p', 'failed'), brought(60, false)],
      'shop/p failed to move: budget',
    ],
    ['somebody stops it', [started, { kind: 'stopRequested', by: 'ann' }], 'stopped by ann'],
  ])('is the end where %s', (_why, events, reason) => {
    expect(decide(after(events))).toEqual({ kind: 'end', reason });
  });

  it('is the end once its time is over, which a pause does not use up', () => {
    expect(decide(after([started]), 5_000 + 599_999)).toEqual({ kind: 'next' });
    expect(decide(after([started]), 5_000 + 600_000)).toEqual({ kind: 'end', reason: 'its time was over' });
    const paused: RunEvent[] = [started, { kind: 'paused', by: 'ann' }];
    expect(decide(after(paused), 9_000_000)).toMatchObject({ kind: 'wait', hold: { kind: 'paused' } });
    const resumed = [...paused, { kind: 'resumed', by: 'ann' } as const];
    expect(decide(after(resumed), 7_000 + 599_999)).toEqual({ kind: 'next' });
  });

  it('is to wait for a server that is out of service, before and between moves, but not for ever', () => {
    expect(decide(after([]), 4_000, ['a'])).toMatchObject({ kind: 'wait', hold: { for: 'capacity' } });
    expect(decide(after([]), 303_000, ['a'])).toEqual({ kind: 'start' });
    expect(decide(after([started]), 304_999, ['a'])).toMatchObject({ kind: 'wait' });
    expect(decide(after([started]), 305_000, ['b', 'a'])).toEqual({ kind: 'end', reason: 'a, b out of service' });
  });

  it('is to call a move back that takes too long, or where somebody stops it', () => {
    const moving = after([started, moveStarted('p')]);
    expect(decide(moving, 6_000 + 30 * 60_000)).toMatchObject({ kind: 'callBack', because: 'it took too long' });
    const stopped = after([started, moveStarted('p'), { kind: 'stopRequested', by: 'ann' }]);
    expect(decide(stopped)).toMatchObject({ kind: 'callBack', because: 'stopped by ann' });
  });

  it('is the end where the window has shut', () => {
    const schedule = { windows: [], blackouts: [], calendars: [], startAutomatically: false, estimateMs: 60_000 };
    expect(decide(after([started], { schedule }))).toEqual({ kind: 'end', reason: 'the window has shut' });
  });
});

describe('an event that cannot follow is a bug', () => {
  it.each<[string, RunEvent[]]>([
    ['a second beginning', [started, started]],
    ['a move before the beginning', [moveStarted('p')]],
    ['two moves at once', [started, moveStarted('p'), moveStarted('q')]],
    ['the same pod twice', [started, moveStarted('p'), moveFinished('p'), measured, moveStarted('p')]],
    ['an end of no move', [started, moveFinished('p')]],
    ['a measurement before the end of the move', [started, moveStarted('p'), measured]],
    ['an end amid a move', [started, moveStarted('p'), { kind: 'rebalanceEnded', reason: '' }]],
    ['anything after the end', [started, { kind: 'rebalanceEnded', reason: '' }, moveStarted('p')]],
  ])('%s', (_what, events) => {
    expect(() => after(events)).toThrow('cannot follow');
  });

  it('also before the waves are over', () => {
    expect(() => applyRunEvent(createRun(definition({ servers: [runServer('a')] }), 0), started, 1)).toThrow(
      'cannot follow',
    );
  });
});
