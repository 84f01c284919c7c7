import { describe, expect, test } from 'vitest';
import { BmcLanes } from '../../../src/adapters/ipmitool/lanes.ts';
import { VirtualClock } from '../../../src/simulator/virtual-clock.ts';

const never = new AbortController().signal;

function start() {
  const clock = new VirtualClock(0);
  const spans: [name: string, fromMs: number, toMs: number][] = [];
  const act = (name: string, tookMs: number) => async (): Promise<string> => {
    const fromMs = clock.nowMs();
    await clock.sleep(tookMs);
    spans.push([name, fromMs, clock.nowMs()]);
    return name;
  };
  return { clock, spans, act, lanes: new BmcLanes(clock) };
}

describe('a lane', () => {
  test('commands never overlap, and the pause counts from the end of the one before', async () => {
    const { clock, spans, act, lanes } = start();
    const lane = lanes.of('10.0.0.1', 623);
    const all = Promise.all([
      lane.run(5_000, never, act('a', 100)),
      lane.run(5_000, never, act('b', 200)),
      lane.run(5_000, never, act('c', 50)),
    ]);
    await clock.run(() => spans.length === 3);
    expect(await all).toEqual(['a', 'b', 'c']);
    expect(spans).toEqual([
      ['a', 0, 100],
      ['b', 5_100, 5_300],
      ['c', 10_300, 10_350],
    ]);
  });

  test('two adapters for one address and port share it; another port has its own', async () => {
    const { clock, spans, act, lanes } = start();
    expect(lanes.of('10.0.0.1', 623)).toBe(lanes.of('10.0.0.1', 623));
    const all = Promise.all([
      lanes.of('10.0.0.1', 623).run(1_000, never, act('a', 10)),
      lanes.of('10.0.0.1', 624).run(1_000, never, act('b', 10)),
    ]);
    await clock.run(() => spans.length === 2);
    await all;
    expect(spans.map(([, fromMs]) => fromMs)).toEqual([0, 0]);
  });

  test('a failed command keeps its pause too, and does not stop the next', async () => {
    const { clock, spans, act, lanes } = start();
    const lane = lanes.of('10.0.0.1', 623);
    const failing = lane.run(1_000, never, async () => {
      throw new Error('no');
    });
    const next = lane.run(1_000, never, act('b', 10));
    await expect(failing).rejects.toThrow('no');
    await clock.run(() => spans.length === 1);
    expect(await next).toBe('b');
    expect(spans).toEqual([['b', 1_000, 1_010]]);
  });

  test('who gives up waiting lets those behind wait for the one that runs', async () => {
    const { clock, spans, act, lanes } = start();
    const lane = lanes.of('10.0.0.1', 623);
    const controller = new AbortController();
    const first = lane.run(0, never, act('a', 1_000));
    const second = lane.run(0, controller.signal, act('b', 10));
    const third = lane.run(0, never, act('c', 10));
    controller.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    await clock.run(() => spans.length === 2);
    await Promise.all([first, third]);
    expect(spans).toEqual([
      ['a', 0, 1_000],
      ['c', 1_000, 1_010],
    ]);
  });

  test('a signal that is aborted already starts nothing', async () => {
    const { spans, act, lanes } = start();
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(lanes.of('10.0.0.1', 623).run(0, aborted, act('a', 10))).rejects.toThrow('enough');
    expect(spans).toEqual([]);
  });
});
