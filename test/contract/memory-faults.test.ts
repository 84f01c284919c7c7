/** The faults that tests ask the in-memory journal, leases and queue for. */
import { describe, expect, test } from 'vitest';
import type { WakeUp } from '../../src/ports/wake-ups.ts';
import { MemoryJournal } from '../../src/simulator/memory-journal.ts';
import { LeaseTable, MemoryLeases } from '../../src/simulator/memory-leases.ts';
import { MemoryWakeUps, type WakeUpFaults } from '../../src/simulator/memory-wake-ups.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { JournalEvent } from '../../src/workflow/events.ts';

const started: JournalEvent = { kind: 'stepStarted', step: 'cordon', attempt: 1 };
const paused: JournalEvent = { kind: 'paused', by: 'anna' };

describe('the journal in memory', () => {
  test('started from any part of what it held, it holds exactly that part', async () => {
    const journal = new MemoryJournal();
    const server = { runId: 'r', server: 's' };
    await journal.append({ runId: 'r' }, 0, 1, [paused]);
    await journal.append(server, 0, 2, [started, started]);
    await journal.append({ runId: 'r' }, 1, 3, [paused]);
    const all = journal.snapshot();
    expect(all.map(({ stream, entry }) => `${stream.server ?? 'run'} ${entry.version}`)).toEqual([
      'run 1',
      's 1',
      's 2',
      'run 2',
    ]);
    for (let length = 0; length <= all.length; length += 1) {
      const again = new MemoryJournal({ entries: all.slice(0, length) });
      expect(again.snapshot()).toEqual(all.slice(0, length));
      expect(await again.runIds()).toEqual(length === 0 ? [] : ['r']);
    }
    const middle = new MemoryJournal({ entries: all.slice(0, 2) });
    expect(await middle.append(server, 1, 9, [started])).toBe(2);
  });

  test('an answer that is lost leaves the entry behind', async () => {
    const journal = new MemoryJournal();
    journal.faults.loseAnswerTimes = 1;
    await expect(journal.append({ runId: 'r' }, 0, 1, [paused])).rejects.toMatchObject({ code: 'journal/unreachable' });
    expect(await journal.read({ runId: 'r' })).toHaveLength(1);
  });

  test('an unreachable journal takes nothing', async () => {
    const journal = new MemoryJournal();
    journal.faults.unreachableTimes = 2;
    await expect(journal.append({ runId: 'r' }, 0, 1, [paused])).rejects.toMatchObject({ code: 'journal/unreachable' });
    await expect(journal.read({ runId: 'r' })).rejects.toMatchObject({ code: 'journal/unreachable' });
    expect(await journal.read({ runId: 'r' })).toEqual([]);
  });

  test('an event that is none is refused where it is written', async () => {
    const nonsense = { kind: 'stepStarted', step: 'cordon', attempt: 0 } as const;
    await expect(new MemoryJournal().append({ runId: 'r' }, 0, 1, [nonsense])).rejects.toThrow('attempt');
  });
});

describe('leases in memory', () => {
  test('a holder that slept too long believes until it notices', async () => {
    const clock = new VirtualClock(0);
    const table = new LeaseTable(clock);
    const lease = await new MemoryLeases(table, 'a').acquire('server/s');
    if ('heldBy' in lease) throw new Error('not granted');
    table.expire('server/s', 5_000);
    expect(lease.lost.aborted).toBe(false);
    expect(table.isHeld('server/s', lease.token)).toBe(false);
    expect(await clock.run(() => lease.lost.aborted)).toBe('done');
    expect(clock.nowMs()).toBe(5_000);
  });

  test('what a killed holder had is free after its time to live, and the killed one hears nothing', async () => {
    const clock = new VirtualClock(0);
    const table = new LeaseTable(clock);
    const lease = await new MemoryLeases(table, 'a').acquire('server/s');
    if ('heldBy' in lease) throw new Error('not granted');
    table.forget('a', 15_000);
    expect(await new MemoryLeases(table, 'b').acquire('server/s')).toEqual({ heldBy: 'a' });
    expect(await clock.run(() => !table.isHeld('server/s', lease.token))).toBe('done');
    expect(clock.nowMs()).toBe(15_000);
    expect(await new MemoryLeases(table, 'b').acquire('server/s')).toMatchObject({ token: lease.token + 1 });
    expect(lease.lost.aborted).toBe(false);
  });
});

async function handledOf(faults: Partial<WakeUpFaults>, seed = 7) {
  const clock = new VirtualClock(0);
  const wakeUps = new MemoryWakeUps({ clock, random: new SeededRandom(seed), faults });
  const handled: string[] = [];
  await wakeUps.work(['x'], async (target) => void handled.push(`${target.server} ${clock.nowMs()}`));
  for (let index = 0; index < 200; index += 1) await wakeUps.wake({ runId: 'r', server: `s${index}`, site: 'x' }, 0);
  await clock.run(() => false);
  return handled;
}

describe('wake-ups in memory', () => {
  test('without faults each comes once and at once', async () => {
    const handled = await handledOf({});
    expect(handled).toHaveLength(200);
    expect(handled.every((entry) => entry.endsWith(' 0'))).toBe(true);
  });

  test('a share of them is lost, repeated or late, as asked, and the same for the same seed', async () => {
    const lost = await handledOf({ loseShare: 0.3 });
    expect(lost.length).toBeGreaterThan(100);
    expect(lost.length).toBeLessThan(180);
    expect(await handledOf({ loseShare: 0.3 })).toEqual(lost);
    expect(await handledOf({ loseShare: 0.3 }, 8)).not.toEqual(lost);
    const repeated = await handledOf({ duplicateShare: 0.3 });
    expect(repeated.length).toBeGreaterThan(220);
    expect(new Set(repeated).size).toBe(200);
    const late = await handledOf({ delayShare: 0.3, delayMs: 60_000 });
    expect(late).toHaveLength(200);
    expect(late.filter((entry) => entry.endsWith(' 60000')).length).toBeGreaterThan(20);
  });

  test('what a killed worker had in hand comes to another one later', async () => {
    const clock = new VirtualClock(0);
    const wakeUps = new MemoryWakeUps({ clock, random: new SeededRandom(1) });
    const target: WakeUp = { runId: 'r', site: 'x' };
    let isTaken = false;
    const worker = await wakeUps.work(['x'], async () => {
      isTaken = true;
      await new Promise(() => undefined);
    });
    await wakeUps.wake(target, 0);
    await clock.run(() => isTaken);
    worker.kill(20_000);
    const seen: number[] = [];
    await wakeUps.work(['x'], async () => void seen.push(clock.nowMs()));
    await wakeUps.wake(target, 0);
    expect(await clock.run(() => seen.length > 0)).toBe('done');
    expect(seen).toEqual([20_000]);
    expect(wakeUps.handled).toBe(2);
  });

  test('what a handler threw is kept for the test', async () => {
    const clock = new VirtualClock(0);
    const wakeUps = new MemoryWakeUps({ clock, random: new SeededRandom(1) });
    await wakeUps.work(['x'], async () => {
      throw new Error('broke');
    });
    await wakeUps.wake({ runId: 'r', site: 'x' }, 0);
    await clock.run(() => wakeUps.failures.length > 0);
    expect(wakeUps.failures).toEqual([new Error('broke')]);
  });
});
