/** What happens to wake-ups when Redis, or a daemon, goes away. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BullMqWakeUps } from '../../../src/adapters/bullmq/bullmq-wake-ups.ts';
import { connectRedis } from '../../../src/adapters/redis/redis-link.ts';
import type { WakeUp } from '../../../src/ports/wake-ups.ts';
import { type CuttingProxy, startCuttingProxy } from '../redis/cutting-proxy.ts';
import { eventually, recordingLogger, useOwnRedis } from '../redis/own-redis.ts';

const redis = useOwnRedis();
const one: WakeUp = { runId: 'run-1', server: 'rack1-01', site: 'fra1' };
const two: WakeUp = { runId: 'run-1', server: 'rack1-02', site: 'fra1' };

let proxy: CuttingProxy;
let namespace: string;
let made: BullMqWakeUps[];
const { logger, lines } = recordingLogger();

function make(concurrency = 100): BullMqWakeUps {
  const wakeUps = new BullMqWakeUps({
    connect: (options) => connectRedis(proxy.address, options),
    logger,
    namespace,
    concurrency,
    stalledAfterMs: 1_000,
    pollMs: 50,
  });
  made.push(wakeUps);
  return wakeUps;
}

beforeEach(async () => {
  proxy = await startCuttingProxy(redis.server().address);
  namespace = randomUUID();
  made = [];
  lines.length = 0;
});
afterEach(async () => {
  await Promise.all(made.map((wakeUps) => wakeUps.close()));
  await proxy.close();
});

async function keysHere(): Promise<Record<string, string>> {
  const client = connectRedis(redis.server().address);
  const keys = await client.keys(`pitcrew:${namespace}:*`);
  const types = await Promise.all(keys.map(async (key) => [key, await client.type(key)] as const));
  client.disconnect();
  return Object.fromEntries(types);
}

test('what is woken while Redis is away is handled once it is back, and says so once in the log', async () => {
  const wakeUps = make();
  const seen: string[] = [];
  await wakeUps.work(['fra1'], async (target) => void seen.push(target.server ?? ''));
  await wakeUps.wake(one, 0);
  await eventually('the first', () => seen.length === 1);
  proxy.setAway(true);
  await wakeUps.wake(two, 0);
  await wakeUps.wake(one, 10);
  await new Promise((resolve) => {
    setTimeout(resolve, 1_500);
  });
  expect(seen).toEqual(['rack1-01']);
  proxy.setAway(false);
  await eventually('the others', () => seen.includes('rack1-02') && seen.lastIndexOf('rack1-01') > 0);
  const texts = lines.map(({ text }) => text);
  expect(texts.filter((text) => text === 'a wake-up could not be sent, trying again by itself')).toHaveLength(1);
  expect(texts.length).toBe(new Set(texts).size);
});

test('daemons that start before Redis work as soon as it is there', async () => {
  proxy.setAway(true);
  const wakeUps = make();
  const seen: string[] = [];
  await wakeUps.work(['fra1'], async (target) => void seen.push(target.server ?? ''));
  await wakeUps.wake(one, 0);
  await wakeUps.wake(two, 100);
  proxy.setAway(false);
  // The first may come twice: it was sent again before the queue had said that it got it.
  await eventually('both', () => seen.includes('rack1-01') && seen.includes('rack1-02'));
  expect(lines.length).toBeGreaterThan(0);
});

test('a handling that outlives an outage of Redis is followed by the wake-up that came meanwhile', async () => {
  const wakeUps = make();
  let calls = 0;
  const gate = Promise.withResolvers<void>();
  await wakeUps.work(['fra1'], async () => {
    calls += 1;
    if (calls === 1) await gate.promise;
  });
  await wakeUps.wake(one, 0);
  await eventually('the first handling', () => calls === 1);
  proxy.setAway(true);
  await wakeUps.wake(one, 0);
  gate.resolve();
  proxy.setAway(false);
  await eventually('one more handling', () => calls >= 2);
  expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a Redis that refuses everything is not asked without a pause', async () => {
  const wakeUps = make(1);
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  await wakeUps.work(['fra1'], async (target) => {
    seen.push(target.server ?? '');
    await gate.promise;
  });
  await wakeUps.wake(one, 0);
  await eventually('the first', () => seen.length === 1);
  await wakeUps.wake(two, 0);
  const client = connectRedis(redis.server().address);
  await client.config('RESETSTAT');
  await client.config('SET', 'min-replicas-to-write', '1');
  // It cannot say that it is done, nor ask for the next one.
  gate.resolve();
  await new Promise((resolve) => {
    setTimeout(resolve, 2_000);
  });
  const refused = Number(/errorstat_NOREPLICAS:count=(\d+)/.exec(await client.info('errorstats'))?.[1]);
  await client.config('SET', 'min-replicas-to-write', '0');
  client.disconnect();
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(200);
  await eventually('the second', () => seen.includes('rack1-02'));
});

test('closing does not hang while Redis is away', async () => {
  const wakeUps = make();
  await wakeUps.work(['fra1'], async () => undefined);
  await wakeUps.wake(one, 0);
  proxy.setAway(true);
  await wakeUps.wake(one, 0);
  expect(await wakeUps.close()).toBeUndefined();
});

test('a queue does not grow with the number of wake-ups, and nothing is left of those handled', async () => {
  const wakeUps = make();
  await wakeUps.wake(one, 0);
  const before = Object.keys(await keysHere()).length;
  for (let index = 0; index < 200; index += 1) {
    await wakeUps.wake(one, 0);
    await wakeUps.wake(one, 3_600_000 - index);
  }
  // One more key: the set of the delayed ones.
  expect(Object.keys(await keysHere())).toHaveLength(before + 1);
  const client = connectRedis(redis.server().address);
  expect(await client.zcard(`pitcrew:${namespace}:later:fra1`)).toBe(1);
  let handled = 0;
  await wakeUps.work(['fra1'], async () => void (handled += 1));
  await eventually('the handling', () => handled === 1);
  const jobs = async (): Promise<string[]> =>
    Object.keys(await keysHere()).filter((key) => /:queue:pitcrew-fra1:(\d+|de:.*|dn:.*|wait|active)$/.test(key));
  await eventually('everything of the job is gone', async () => (await jobs()).length === 0);
  client.disconnect();
});

test('a job says whom to wake, and nothing else that a caller has on its object', async () => {
  const wakeUps = make();
  await wakeUps.wake({ ...one, password: 'hunter2' } as WakeUp, 0);
  await wakeUps.wake({ ...two, password: 'hunter2' } as WakeUp, 60_000);
  const client = connectRedis(redis.server().address);
  const job = await client.hgetall(`pitcrew:${namespace}:queue:pitcrew-fra1:1`);
  expect(JSON.parse(job['data'] ?? '')).toEqual(one);
  expect(await client.zrange(`pitcrew:${namespace}:later:fra1`, '0', '-1')).toEqual([JSON.stringify(two)]);
  client.disconnect();
});

test('what a killed daemon had in hand comes to another one', async () => {
  const daemon = spawn(process.execPath, [join(import.meta.dirname, 'wake-daemon.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WAKE_DAEMON: JSON.stringify({ address: proxy.address, namespace, mode: 'hang' }) },
  });
  const wakeUps = make();
  await wakeUps.wake(one, 0);
  const [line] = (await once(daemon.stdout, 'data')) as [Buffer];
  expect(line.toString()).toBe('rack1-01\n');
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
  const seen: string[] = [];
  // Woken again meanwhile, it still comes once, since it still waits.
  await wakeUps.wake(one, 0);
  await wakeUps.work(['fra1'], async (target) => void seen.push(target.server ?? ''));
  await eventually('the other daemon has it', () => seen.length >= 1);
  expect(seen[0]).toBe('rack1-01');
});

test('a daemon that has closed its queues comes to its end by itself', async () => {
  const daemon = spawn(process.execPath, [join(import.meta.dirname, 'wake-daemon.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, WAKE_DAEMON: JSON.stringify({ address: proxy.address, namespace, mode: 'close' }) },
  });
  await once(daemon.stdout, 'data');
  daemon.stdin.write('close\n');
  const [code] = (await once(daemon, 'exit', { signal: AbortSignal.timeout(20_000) }).catch((error: unknown) => {
    daemon.kill('SIGKILL');
    throw error;
  })) as [number];
  expect(code).toBe(0);
});
