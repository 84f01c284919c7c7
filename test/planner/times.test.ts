import { describe, expect, it } from 'vitest';
import { learnTimes, predictSteps, predictTimes, sampleOf, type Sample } from '../../src/planner/times.ts';
import type { ServerEvent } from '../../src/workflow/events.ts';
import { definition, runServer, until } from '../workflow/fixtures.ts';

const minuteMs = 60_000;
const run = definition();
const server = { ...runServer('a'), labels: { model: 'r640', role: 'worker', rack: 'r1' } };
const pod = { namespace: 'shop', name: 'web-1', uid: 'u1' };

/** Each event so many seconds after the one before. */
function stream(...events: readonly (readonly [afterSeconds: number, event: ServerEvent])[]) {
  let atMs = 0;
  return events.map(([afterSeconds, event]) => {
    atMs += afterSeconds * 1_000;
    return { atMs, event };
  });
}

const start = (step: string): ServerEvent => ({ kind: 'stepStarted', step, attempt: 1 });
const finish = (step: string, evidence = {}): ServerEvent => ({ kind: 'stepFinished', step, evidence });
const hold = (kind: 'window' | 'budget'): ServerEvent => ({
  kind: 'holdChanged',
  hold: { kind: 'waiting', for: kind, text: kind },
});
const free: ServerEvent = { kind: 'holdChanged', hold: { kind: 'none' } };
const done: ServerEvent = { kind: 'ended', outcome: 'done', reason: '' };

describe('what one journal tells', () => {
  it('is the time of each step, and of each move by its mover', () => {
    const move: ServerEvent = {
      kind: 'moveStarted',
      pod,
      mover: 'surge',
      promise: 'nothing: restart',
      id: '',
      target: '',
      predictedMs: 0,
      timeoutMs: 0,
      budgets: [],
    };
    const moved: ServerEvent = { kind: 'moveFinished', pod, result: 'done', because: '' };
    const entries = stream(
      [0, start('prepare')],
      [5, finish('prepare')],
      [0, start('evacuate')],
      [1, move],
      [20, moved],
    );
    const rest = stream([0, finish('evacuate')], [0, done]).map((entry) => ({ ...entry, atMs: 30_000 }));
    const sample = sampleOf(run, server, [...entries, ...rest]);
    expect(sample).toMatchObject({ totalMs: 30_000, stepsMs: { prepare: 5_000, evacuate: 25_000 } });
    expect(sample?.moves).toEqual([{ mover: 'surge', lastedMs: 20_000 }]);
  });

  it('is nothing of what it waited for before the cordon, and all of what its evacuation waited for', () => {
    const entries = stream(
      [0, start('cordon')],
      [1, hold('window')],
      [7_000, hold('budget')],
      [300, free],
      [2, finish('cordon')],
      [60, start('evacuate')],
      [1, hold('budget')],
      [30, free],
      [1, finish('evacuate')],
      [0, done],
    );
    expect(sampleOf(run, server, entries)?.stepsMs).toEqual({ cordon: 3_000, evacuate: 32_000 });
  });

  it.each<[string, readonly ServerEvent[]]>([
    ['that did not end well', [start('prepare'), { kind: 'ended', outcome: 'halted', reason: 'x' }]],
    ['that has not ended', [start('prepare'), finish('prepare')]],
    ['for which nothing was to be done', [start('prepare'), finish('prepare', { needed: false }), done]],
    ['that needed people', [start('prepare'), { kind: 'retried', request: 3 }, done]],
  ])('is no time of a server %s', (_, events) => {
    expect(sampleOf(run, server, stream(...events.map((event) => [1, event] as const)))).toBeUndefined();
  });

  it('is told by the very events that the engine writes', () => {
    const whole = [...until('never'), done].map((event, index) => ({ atMs: index * 1_000, event }));
    expect(sampleOf(run, server, whole)?.totalMs).toBeGreaterThan(0);
  });
});

function samples(minutes: readonly number[], change: Partial<Sample> = {}): Sample[] {
  const entries = stream([0, start('prepare')], [1, finish('prepare')], [0, done]);
  const plain = sampleOf(run, server, entries);
  if (!plain) throw new Error('no sample');
  return minutes.map((length) => ({ ...plain, totalMs: length * minuteMs, ...change }));
}

const schedule = { windows: [], blackouts: [], startAutomatically: false, estimateMs: 45 * minuteMs };

describe('the prediction for a server', () => {
  it('is what servers of its model and role took: the median, and the time that one in twenty exceeds', () => {
    const minutes = Array.from({ length: 40 }, (_, index) => 10 + (index % 20) * 0.1);
    const { p50Ms, p95Ms, measured, group } = predictTimes(learnTimes(samples(minutes)), run, server);
    expect([p50Ms, p95Ms]).toEqual([10.9 * minuteMs, 11.8 * minuteMs]);
    expect([measured, group]).toEqual([40, 'kernel, model r640, role worker']);
  });

  it('falls back to all servers of the playbook where too few of its kind were measured, and then to the estimate', () => {
    const few = learnTimes([...samples([10, 10, 10, 10]), ...samples([20, 20], { group: 'another' })]);
    expect(predictTimes(few, run, server)).toEqual({ p50Ms: 600_000, p95Ms: 1_200_000, measured: 6, group: 'kernel' });
    const none = learnTimes(samples([10, 10, 10, 10]));
    const stated = { p50Ms: 45 * minuteMs, p95Ms: 45 * minuteMs, measured: 0, group: '' };
    expect(predictTimes(none, { ...run, schedule }, server)).toEqual(stated);
    expect(predictTimes(none, run, server).p95Ms).toBe(30 * minuteMs);
  });

  it('is there for each step too, in the order of the program, and for none that nobody has measured', () => {
    const seen = (reboot: number): Partial<Sample> => ({ stepsMs: { 'reboot-2': reboot * minuteMs, cordon: 1_000 } });
    const learned = learnTimes([4, 4, 5, 4, 9].flatMap((reboot) => samples([10], seen(reboot))));
    expect(predictSteps(learned, run, server)).toEqual([
      { step: 'cordon', p50Ms: 1_000, p95Ms: 1_000, measured: 5 },
      { step: 'reboot-2', p50Ms: 4 * minuteMs, p95Ms: 9 * minuteMs, measured: 5 },
    ]);
    expect(predictSteps(learnTimes([]), run, server)).toEqual([]);
  });

  it('says nothing of another playbook, nor of the same one with other steps', () => {
    const learned = learnTimes(samples([10, 10, 10, 10, 10]));
    expect(predictTimes(learned, run, server).measured).toBe(5);
    expect(predictTimes(learned, { ...run, playbook: 'firmware' }, server).measured).toBe(0);
    expect(predictTimes(learned, { ...run, program: run.program.slice(1) }, server).measured).toBe(0);
  });

  it('is not led astray by one that took a night, because somebody had to look', () => {
    const learned = learnTimes(samples([10, 11, 10, 12, 10, 11, 600]));
    expect(predictTimes(learned, run, server)).toMatchObject({ p95Ms: 12 * minuteMs, measured: 6 });
  });

  it('goes by the newest ones: hardware and kernels change', () => {
    const old = samples(
      Array.from({ length: 400 }, () => 60),
      { endedMs: 1 },
    );
    const fresh = samples(
      Array.from({ length: 400 }, () => 10),
      { endedMs: 2 },
    );
    expect(predictTimes(learnTimes([...old, ...fresh]), run, server).p95Ms).toBe(10 * minuteMs);
  });
});
