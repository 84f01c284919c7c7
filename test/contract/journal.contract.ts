/** What every journal promises, whatever it is kept in. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Journal, StreamId } from '../../src/ports/journal.ts';
import type { Lease, Leases } from '../../src/ports/leases.ts';
import type { JournalEvent } from '../../src/workflow/events.ts';
import { eventually } from '../adapters/redis/own-redis.ts';

export interface JournalWorld {
  readonly journal: Journal;
  /** The same journal, as another daemon sees it. */
  readonly other: Journal;
  readonly leases: Leases;
  readonly otherLeases: Leases;
  /** Lets a lease run out without its holder noticing. */
  expire(leaseName: string): Promise<void>;
  close(): Promise<void>;
}

const run: StreamId = { runId: 'run-1' };
const server: StreamId = { runId: 'run-1', server: 'rack1-01' };
const started: JournalEvent = { kind: 'stepStarted', step: 'cordon', attempt: 1 };
const finished: JournalEvent = {
  kind: 'stepFinished',
  step: 'cordon',
  evidence: { cordoned: true, 'ünï "': 'ça va\n' },
};
const paused = (by: string): JournalEvent => ({ kind: 'paused', by });

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (error instanceof MaintenanceError) return `${error.code} ${error.disposition}`;
    throw error;
  }
}

async function granted(leases: Leases, name: string): Promise<Lease> {
  const lease = await leases.acquire(name);
  if ('heldBy' in lease) throw new Error(`held by ${lease.heldBy}`);
  return lease;
}

export function journalContract(kind: string, make: () => Promise<JournalWorld>): void {
  describe(`the journal in ${kind}`, () => {
    let world: JournalWorld;
    beforeEach(async () => {
      world = await make();
    });
    afterEach(() => world.close());

    test('reads back what was appended, numbered from 1 without gaps', async () => {
      expect(await world.journal.append(server, 0, 1_000, [started, finished])).toBe(2);
      expect(await world.journal.append(server, 2, 2_000, [started])).toBe(3);
      expect(await world.other.read(server)).toEqual([
        { version: 1, atMs: 1_000, event: started },
        { version: 2, atMs: 1_000, event: finished },
        { version: 3, atMs: 2_000, event: started },
      ]);
    });

    test('a reader goes on from where it left off, with the right numbers', async () => {
      await world.journal.append(server, 0, 1_000, [started, finished]);
      await world.journal.append(server, 2, 2_000, [started]);
      expect(await world.other.read(server, 2)).toEqual([{ version: 3, atMs: 2_000, event: started }]);
      expect(await world.other.read(server, 3)).toEqual([]);
    });

    test('a stream that was never written is empty', async () => {
      expect(await world.journal.read(run)).toEqual([]);
      expect(await world.journal.runIds()).toEqual([]);
    });

    test('an append at any other version is a conflict worth a retry, and appends nothing', async () => {
      await world.journal.append(run, 0, 1, [paused('anna')]);
      expect(await codeOf(world.other.append(run, 0, 2, [paused('anna')]))).toBe('journal/conflict retry');
      expect(await codeOf(world.other.append(run, 2, 2, [paused('ben'), paused('cem')]))).toBe(
        'journal/conflict retry',
      );
      expect(await world.journal.read(run)).toHaveLength(1);
    });

    test('of many writers at the same version exactly one wins', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          codeOf((index % 2 === 0 ? world.journal : world.other).append(run, 0, 1, [paused('same words')])),
        ),
      );
      expect(outcomes.filter((outcome) => outcome === 'none')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'journal/conflict retry')).toHaveLength(19);
      expect(await world.journal.read(run)).toHaveLength(1);
    });

    test('the holder of a lease may write', async () => {
      const lease = await granted(world.leases, 'server/rack1-01');
      expect(await world.journal.append(server, 0, 1, [started], lease)).toBe(1);
    });

    test('a holder whose lease ran out is fenced off, whether or not somebody else has it now', async () => {
      const lease = await granted(world.leases, 'server/rack1-01');
      await world.expire('server/rack1-01');
      expect(await codeOf(world.journal.append(server, 0, 1, [started], lease))).toBe('journal/fenced halt');
      const next = await granted(world.otherLeases, 'server/rack1-01');
      expect(await codeOf(world.journal.append(server, 0, 1, [started], lease))).toBe('journal/fenced halt');
      expect(await world.other.append(server, 0, 1, [started], next)).toBe(1);
      expect(await world.journal.read(server)).toHaveLength(1);
    });

    test('a lease that was given back fences, too', async () => {
      const lease = await granted(world.leases, 'server/rack1-01');
      await lease.release();
      expect(await codeOf(world.journal.append(server, 0, 1, [started], lease))).toBe('journal/fenced halt');
    });

    test('people write to a run without a lease while its coordinator holds one', async () => {
      const lease = await granted(world.leases, 'run/run-1');
      await world.journal.append(run, 0, 1, [{ kind: 'waveStarted', wave: 0 }], lease);
      expect(await world.other.append(run, 1, 2, [paused('anna')])).toBe(2);
      expect(await world.journal.append(run, 2, 3, [{ kind: 'waveFinished', wave: 0 }], lease)).toBe(3);
    });

    test('streams of different names never touch, however odd the names', async () => {
      const streams: StreamId[] = [
        { runId: 'a' },
        { runId: 'a', server: 'b' },
        { runId: 'a:b' },
        { runId: 'a/b' },
        { runId: 'a', server: 'b:c' },
        { runId: 'a:b', server: 'c' },
        { runId: 'ä %3A', server: '' },
      ];
      for (const [index, stream] of streams.entries()) {
        await world.journal.append(stream, 0, index, [paused(`${index}`)]);
      }
      const read = await world.other.readMany(streams);
      expect(read).toEqual(streams.map((_, index) => [{ version: 1, atMs: index, event: paused(`${index}`) }]));
    });

    test('many streams are read in the order asked for, the empty ones as empty', async () => {
      const streams = Array.from({ length: 120 }, (_, index) => ({ runId: 'run-1', server: `s${index}` }));
      for (const stream of streams.slice(0, 7)) await world.journal.append(stream, 0, 1, [paused(stream.server)]);
      const read = await world.journal.readMany([...streams].reverse());
      expect(read.map((entries) => entries.length)).toEqual([...Array(113).fill(0), ...Array(7).fill(1)]);
      expect(read.at(-1)?.[0]?.event).toEqual(paused('s0'));
      expect(await world.journal.readMany([])).toEqual([]);
    });

    test('runs are listed oldest first, once each', async () => {
      for (const [index, runId] of ['zeta', 'alpha', 'mid'].entries()) {
        await world.journal.append({ runId }, 0, 1_000 + index, [paused('anna')]);
        await world.journal.append({ runId, server: 's1' }, 0, 9_000, [started]);
      }
      expect(await world.other.runIds()).toEqual(['zeta', 'alpha', 'mid']);
    });

    test('others are told of an append until they no longer listen', async () => {
      const heard: StreamId[] = [];
      const stop = world.other.onAppend((stream) => heard.push(stream));
      let version = 0;
      // The subscription may take a moment, and hints may be missed: append until one came.
      await eventually('a hint', async () => {
        version = await world.journal.append(server, version, 1, [started]);
        return heard.length > 0;
      });
      expect(heard[0]).toEqual(server);
      stop();
      const count = heard.length;
      await world.journal.append(server, version, 1, [started]);
      await world.journal.read(server);
      expect(heard.length - count).toBe(0);
    });

    test('output is kept in order and apart from the entries', async () => {
      await world.journal.appendOutput(server, { atMs: 1, step: 'service', text: 'first' });
      await world.journal.appendOutput(server, { atMs: 2, step: 'service', text: 'second' });
      expect((await world.other.readOutput(server)).map((line) => line.text)).toEqual(['first', 'second']);
      expect(await world.journal.read(server)).toEqual([]);
      expect(await world.journal.readOutput(run)).toEqual([]);
    });

    test('of too much output the oldest lines go', async () => {
      for (let index = 0; index < 60; index += 1) {
        await world.journal.appendOutput(server, { atMs: index, step: 'service', text: `line ${index}` });
      }
      const lines = await world.journal.readOutput(server);
      expect(lines).toHaveLength(50);
      expect(lines.at(0)?.text).toBe('line 10');
      expect(lines.at(-1)?.text).toBe('line 59');
    });

    test('what was handed in or out can be changed without changing the journal', async () => {
      const evidence = { count: 1 };
      await world.journal.append(server, 0, 1, [{ kind: 'stepFinished', step: 'cordon', evidence }]);
      evidence.count = 2;
      const [entry] = await world.journal.read(server);
      expect(entry?.event).toMatchObject({ evidence: { count: 1 } });
      if (entry?.event.kind === 'stepFinished') entry.event.evidence['count'] = 3;
      expect((await world.journal.read(server))[0]?.event).toMatchObject({ evidence: { count: 1 } });
    });
  });
}
