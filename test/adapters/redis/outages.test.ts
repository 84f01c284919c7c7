/** What happens to the journal and the leases when Redis, or the way to it, fails. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keysOf } from '../../../src/adapters/redis/keys.ts';
import { RedisJournal } from '../../../src/adapters/redis/redis-journal.ts';
import { RedisLeases } from '../../../src/adapters/redis/redis-leases.ts';
import { RedisLink, redisClientOptions } from '../../../src/adapters/redis/redis-link.ts';
import { InvariantError } from '../../../src/errors/maintenance-error.ts';
import type { JournalEvent } from '../../../src/workflow/events.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';
import { eventually, recordingLogger, useOwnRedis } from './own-redis.ts';

const redis = useOwnRedis();
const started: JournalEvent = { kind: 'stepStarted', step: 'reboot', attempt: 1 };
const finished: JournalEvent = { kind: 'stepFinished', step: 'reboot', evidence: {} };
const stream = { runId: 'run-1', server: 's1' };

describe('when the way to Redis fails', () => {
  let proxy: CuttingProxy;
  let link: RedisLink;
  let journal: RedisJournal;
  let namespace: string;
  let direct: Redis;
  const { logger, lines } = recordingLogger();

  beforeEach(async () => {
    namespace = randomUUID();
    proxy = await startCuttingProxy(redis.server().address);
    link = new RedisLink(proxy.address, { logger, commandTimeoutMs: 500, patienceMs: 3_000 });
    journal = new RedisJournal(link, { namespace });
    direct = new Redis(redisClientOptions(redis.server().address));
    lines.length = 0;
  });
  afterEach(async () => {
    link.close();
    direct.disconnect();
    await proxy.close();
  });

  test('an append whose answer was lost is appended once, and the caller sees success', async () => {
    await journal.append(stream, 0, 1, [started]);
    proxy.cutAnswersOf('stepFinished', 2);
    expect(await journal.append(stream, 1, 2, [finished, started])).toBe(3);
    expect(proxy.cuts).toBe(2);
    expect((await journal.read(stream)).map(({ event }) => event)).toEqual([started, finished, started]);
  });

  test('an append whose answer was lost succeeds even when somebody appended right behind it', async () => {
    proxy.cutAnswersOf('stepStarted', 1);
    const ours = journal.append(stream, 0, 1, [started]);
    const otherLink = new RedisLink(redis.server().address, { logger });
    const other = new RedisJournal(otherLink, { namespace });
    await eventually('the append arrived', async () => (await other.read(stream)).length === 1);
    await other.append(stream, 1, 2, [finished]);
    expect(await ours).toBe(1);
    expect((await other.read(stream)).map(({ event }) => event)).toEqual([started, finished]);
    otherLink.close();
  });

  test('the same words of two writers stay a conflict', async () => {
    await journal.append(stream, 0, 1, [started]);
    await expect(journal.append(stream, 0, 1, [started])).rejects.toMatchObject({ code: 'journal/conflict' });
  });

  test('a grant whose answer was lost is granted, not "held by ourselves"', async () => {
    const leases = new RedisLeases(link, { namespace, logger, holder: 'a' });
    await link.run('connecting', (client) => client.ping());
    proxy.cutAnswersOf('eval', 1);
    const lease = await leases.acquire('server/s1');
    expect(proxy.cuts).toBe(1);
    if ('heldBy' in lease) throw new Error('not granted');
    expect(await journal.append(stream, 0, 1, [started], lease)).toBe(1);
    await lease.release();
    expect(await leases.holders()).toEqual({});
  });

  test('while Redis is away a call ends as unreachable, worth a retry, and does not hang', async () => {
    proxy.setAway(true);
    await expect(journal.read(stream)).rejects.toMatchObject({ code: 'journal/unreachable', disposition: 'retry' });
    await expect(journal.append(stream, 0, 1, [started])).rejects.toMatchObject({ code: 'journal/unreachable' });
  });

  test('a Redis that takes connections and says nothing is unreachable, too, and found again later', async () => {
    await journal.append(stream, 0, 1, [started]);
    proxy.setSilent(true);
    await expect(journal.read(stream)).rejects.toMatchObject({ code: 'journal/unreachable' });
    proxy.setSilent(false);
    expect(await journal.read(stream)).toHaveLength(1);
  });

  test('a call made while Redis is away goes through when Redis is back in time', async () => {
    proxy.setAway(true);
    const appended = journal.append(stream, 0, 1, [started]);
    setTimeout(() => proxy.setAway(false), 700);
    expect(await appended).toBe(1);
    expect(await journal.read(stream)).toHaveLength(1);
  });

  test('nothing that was given up while Redis was away is carried out later', async () => {
    proxy.setAway(true);
    await expect(journal.append(stream, 0, 1, [started])).rejects.toMatchObject({ code: 'journal/unreachable' });
    proxy.setAway(false);
    expect(await journal.read(stream)).toEqual([]);
  });

  test('an outage is warned of once and its end is told, not every attempt in between', async () => {
    await journal.read(stream);
    proxy.setAway(true);
    await expect(journal.read(stream)).rejects.toMatchObject({ code: 'journal/unreachable' });
    proxy.setAway(false);
    await journal.read(stream);
    expect(lines.map(({ level, text }) => `${level}: ${text}`)).toEqual([
      'warn: redis cannot be reached, trying again by itself',
      'info: redis is reachable again',
    ]);
  });

  test('no error carries the password', async () => {
    const wrong = new RedisLink({ ...redis.server().address, password: 'hunter2-wrong' }, { logger, patienceMs: 500 });
    await journal.read(stream);
    const error: unknown = await new RedisJournal(wrong, { namespace }).read(stream).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'journal/unreachable' });
    const seen = JSON.stringify([String(error), String((error as Error).cause), error, lines]);
    expect(seen).toContain('WRONGPASS');
    expect(seen).not.toContain('hunter2');
    wrong.close();
  });

  test('a holder who cannot renew gives up before Redis lets the lease run out', async () => {
    const leases = new RedisLeases(link, { namespace, logger, holder: 'a', ttlMs: 2_000 });
    const lease = await leases.acquire('server/s1');
    if ('heldBy' in lease) throw new Error('not granted');
    proxy.setAway(true);
    let wasStillThere = 0;
    lease.lost.addEventListener('abort', () => {
      void direct.exists(keysOf(namespace).lease('server/s1')).then((count) => (wasStillThere = count + 1));
    });
    await eventually('the loss and the answer', () => wasStillThere > 0);
    expect(wasStillThere).toBe(2);
    await lease.release();
  });

  test('a lease lives through an outage that is shorter than itself', async () => {
    const leases = new RedisLeases(link, { namespace, logger, holder: 'a', ttlMs: 6_000 });
    const lease = await leases.acquire('server/s1');
    if ('heldBy' in lease) throw new Error('not granted');
    proxy.setAway(true);
    await new Promise((resolve) => {
      setTimeout(resolve, 2_500);
    });
    proxy.setAway(false);
    const key = keysOf(namespace).lease('server/s1');
    // Without a renewal it would have at most 3.5 s left by now.
    await eventually('a renewal', async () => (await direct.pttl(key)) > 4_000);
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
  });

  test('an entry that cannot be understood is our bug, named by stream and version', async () => {
    await journal.append(stream, 0, 1, [started, finished]);
    const key = keysOf(namespace).stream(stream);
    for (const bad of [
      'nonsense',
      'id {"atMs":1,"event":{"kind":"unheardOf"}}',
      'id {"event":{"kind":"ended"}}',
      'id 7',
    ]) {
      await direct.lset(key, 1, bad);
      const reading = journal.read(stream);
      await expect(reading).rejects.toBeInstanceOf(InvariantError);
      await expect(reading).rejects.toThrow('entry 2 of run run-1, server s1');
    }
  });

  test('a Redis that is full, read-only or busy is unreachable, not a bug of ours', async () => {
    const impatient = new RedisLink(proxy.address, { logger, patienceMs: 300 });
    const full = new RedisJournal(impatient, { namespace });
    await full.read(stream);
    await direct.config('SET', 'maxmemory', '1');
    try {
      await expect(full.append(stream, 0, 1, [started])).rejects.toMatchObject({ code: 'journal/unreachable' });
    } finally {
      await direct.config('SET', 'maxmemory', '0');
    }
    expect(await full.append(stream, 0, 1, [started])).toBe(1);
    impatient.close();
  });

  test('output is bounded in bytes, and one endless line is cut', async () => {
    const small = new RedisJournal(link, { namespace, outputBytesMax: 1_000 });
    await small.appendOutput(stream, { atMs: 1, step: 'service', text: 'x'.repeat(10_000) });
    const [line] = await small.readOutput(stream);
    expect(line?.text).toMatch(/^x{500} …$/);
    for (let index = 0; index < 40; index += 1) {
      await small.appendOutput(stream, { atMs: index, step: 'service', text: 'y'.repeat(100) });
    }
    const lines = await small.readOutput(stream);
    expect(JSON.stringify(lines).length).toBeLessThan(1_100);
    expect(lines.at(-1)?.atMs).toBe(39);
  });
});

test('what was appended is there after Redis was killed and started again', async () => {
  const { logger } = recordingLogger();
  const namespace = randomUUID();
  const link = new RedisLink(redis.server().address, { logger });
  await new RedisJournal(link, { namespace }).append(stream, 0, 1, [started]);
  link.close();
  process.kill(redis.server().pid, 'SIGKILL');
  await redis.restart();
  const again = new RedisLink(redis.server().address, { logger });
  expect(await new RedisJournal(again, { namespace }).read(stream)).toHaveLength(1);
  again.close();
});
