/** What the queue promises, whatever it is made of. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WakeUp, WakeUps } from '../../src/ports/wake-ups.ts';

export interface WakeUpsWorld {
  readonly wakeUps: WakeUps;
  /** The same queue, as another daemon sees it. */
  readonly other: WakeUps;
  readonly nowMs: () => number;
  /** Lets things run until it is so; throws when it never is. */
  eventually(what: string, isSo: () => boolean): Promise<void>;
  close(): Promise<void>;
}

const coordinator: WakeUp = { runId: 'run-1', site: 'fra1' };
const one: WakeUp = { runId: 'run-1', server: 'rack1-01', site: 'fra1' };
const two: WakeUp = { runId: 'run-1', server: 'rack1-02', site: 'fra1' };
const abroad: WakeUp = { runId: 'run-1', server: 'tyo-01', site: 'tokyo:2' };
const hourMs = 3_600_000;

/** A handler that can be held up, and that remembers. */
function recorder() {
  const handled: { target: WakeUp; atMs: number }[] = [];
  const state = { running: 0, gate: Promise.resolve(), open: (): void => undefined };
  return {
    handled,
    state,
    holdUp: () => {
      state.gate = new Promise((resolve) => {
        state.open = resolve;
      });
    },
    handler:
      (nowMs: () => number, more: (target: WakeUp) => void | Promise<void> = () => undefined) =>
      async (target: WakeUp): Promise<void> => {
        handled.push({ target, atMs: nowMs() });
        state.running += 1;
        await more(target);
        await state.gate;
        state.running -= 1;
      },
  };
}

export function wakeUpsContract(kind: string, make: () => Promise<WakeUpsWorld>): void {
  describe(`wake-ups over ${kind}`, () => {
    let world: WakeUpsWorld;
    let log: ReturnType<typeof recorder>;
    beforeEach(async () => {
      world = await make();
      log = recorder();
    });
    afterEach(async () => {
      log.state.open();
      await world.close();
    });

    const count = (target: WakeUp): number =>
      log.handled.filter((entry) => entry.target.server === target.server && entry.target.site === target.site).length;

    test('a target is handed over as it was named', async () => {
      await world.wakeUps.work(['fra1', 'tokyo:2'], log.handler(world.nowMs));
      for (const target of [coordinator, one, abroad]) await world.wakeUps.wake(target, 0);
      await world.eventually('all three', () => log.handled.length >= 3);
      const targets = log.handled.map(({ target }) => target);
      expect(targets).toHaveLength(3);
      expect(targets).toEqual(expect.arrayContaining([coordinator, one, abroad]));
    });

    test('a wake-up waits for a worker of its site', async () => {
      await world.wakeUps.wake(abroad, 0);
      await world.wakeUps.wake(one, 0);
      await world.wakeUps.work(['fra1'], log.handler(world.nowMs));
      await world.eventually('the one of this site', () => count(one) === 1);
      expect(count(abroad)).toBe(0);
      await world.other.work(['tokyo:2'], log.handler(world.nowMs));
      await world.eventually('the one abroad', () => count(abroad) === 1);
    });

    test('of many wake-ups that wait for one target, one is enough', async () => {
      for (let index = 0; index < 50; index += 1) await world.wakeUps.wake(one, 0);
      await world.wakeUps.wake(two, 0);
      await world.wakeUps.work(['fra1'], log.handler(world.nowMs));
      await world.eventually('the last one', () => count(two) === 1);
      expect(count(one)).toBe(1);
    });

    test('a wake-up during the handling leads to one more handling, and not before it has ended', async () => {
      log.holdUp();
      await world.wakeUps.work(['fra1'], log.handler(world.nowMs));
      await world.other.work(['fra1'], log.handler(world.nowMs));
      await world.wakeUps.wake(one, 0);
      await world.eventually('the first handling', () => log.state.running === 1);
      for (let index = 0; index < 10; index += 1) await world.other.wake(one, 0);
      // The other target shows that the queue goes on, and so had its chance to do it wrong.
      await world.wakeUps.wake(two, 0);
      await world.eventually('the other target', () => count(two) === 1);
      expect(count(one)).toBe(1);
      log.state.open();
      await world.eventually('one more handling', () => count(one) === 2);
      await world.wakeUps.wake(two, 0);
      await world.eventually('the other target again', () => count(two) === 2);
      expect(count(one)).toBe(2);
    });

    test('a handler that wakes its own target is called again', async () => {
      await world.wakeUps.work(
        ['fra1'],
        log.handler(world.nowMs, async (target) => {
          if (log.handled.length < 5) await world.wakeUps.wake(target, 0);
        }),
      );
      await world.wakeUps.wake(one, 0);
      await world.eventually('five handlings', () => log.handled.length === 5);
      expect(log.handled.every(({ target }) => target.server === one.server)).toBe(true);
    });

    test('a delayed wake-up does not come before its time', async () => {
      await world.wakeUps.work(['fra1'], log.handler(world.nowMs));
      const dueMs = world.nowMs() + 400;
      await world.wakeUps.wake(one, 400);
      await world.eventually('the wake-up', () => count(one) === 1);
      expect(log.handled[0]?.atMs).toBeGreaterThanOrEqual(dueMs);
    });

    test('a delayed wake-up swallows neither one that is due now nor an earlier one', async () => {
      await world.wakeUps.work(['fra1'], log.handler(world.nowMs));
      const untilMs = world.nowMs() + hourMs;
      await world.wakeUps.wake(one, hourMs);
      await world.wakeUps.wake(one, 0);
      await world.eventually('the one due now', () => count(one) === 1);
      await world.other.wake(one, 300);
      await world.wakeUps.wake(one, hourMs * 2);
      await world.eventually('the earlier one', () => count(one) === 2);
      expect(world.nowMs()).toBeLessThan(untilMs);
    });

    test('a delayed wake-up during the handling does not put off one that is due now', async () => {
      log.holdUp();
      await world.wakeUps.work(['fra1'], log.handler(world.nowMs));
      const untilMs = world.nowMs() + hourMs;
      await world.wakeUps.wake(one, 0);
      await world.eventually('the first handling', () => count(one) === 1);
      await world.other.wake(one, 0);
      await world.wakeUps.wake(one, hourMs);
      log.state.open();
      await world.eventually('the one due now', () => count(one) === 2);
      expect(world.nowMs()).toBeLessThan(untilMs);
    });

    test('the handler of a delayed wake-up may ask for the next one', async () => {
      await world.wakeUps.work(
        ['fra1'],
        log.handler(world.nowMs, async (target) => {
          if (log.handled.length < 3) await world.wakeUps.wake(target, 50);
        }),
      );
      await world.wakeUps.wake(one, 50);
      await world.eventually('three handlings', () => log.handled.length === 3);
      const times = log.handled.map(({ atMs }) => atMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });

    test('an exception of the handler is not repeated, and hinders no later wake-up', async () => {
      await world.wakeUps.work(
        ['fra1'],
        log.handler(world.nowMs, () => {
          throw new Error('handler broke');
        }),
      );
      await world.wakeUps.wake(one, 0);
      await world.eventually('the first handling', () => count(one) === 1);
      await world.wakeUps.wake(two, 0);
      await world.eventually('the other target', () => count(two) === 1);
      await world.wakeUps.wake(one, 0);
      await world.eventually('the second handling', () => count(one) === 2);
      expect(count(two)).toBe(1);
    });

    test('a stop waits for what is in hand, and somebody else goes on with it', async () => {
      log.holdUp();
      let endedFirst = 0;
      const signals: AbortSignal[] = [];
      const handle = log.handler(world.nowMs);
      const worker = await world.wakeUps.work(['fra1'], async (target, signal) => {
        signals.push(signal);
        await handle(target);
        endedFirst += 1;
      });
      await world.wakeUps.wake(one, 0);
      await world.eventually('the handling', () => count(one) === 1);
      let isStopped = false;
      const stopped = worker.stop().then(() => (isStopped = true));
      await world.eventually('the handler hears of it', () => signals[0]?.aborted === true);
      expect(isStopped).toBe(false);
      log.state.open();
      await stopped;
      expect(endedFirst).toBe(1);
      await world.other.work(['fra1'], log.handler(world.nowMs));
      await world.eventually('somebody else', () => count(one) === 2);
    });
  });
}
