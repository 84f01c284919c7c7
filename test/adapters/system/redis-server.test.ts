import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { redisClientOptions } from '../../../src/adapters/redis/redis-link.ts';
import { isRunning, waitUntilGone } from '../../../src/adapters/system/processes.ts';
import { keepRedisAlive, type RedisServer, startRedisServer } from '../../../src/adapters/system/redis-server.ts';

let folder: string;
const started: RedisServer[] = [];
const pids: number[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pitcrew-redis-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
  for (const pid of pids.splice(0)) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function start(more: { port?: number; folder?: string } = {}): Promise<RedisServer> {
  const server = await startRedisServer({ folder, signal: AbortSignal.timeout(30_000), ...more });
  started.push(server);
  return server;
}

async function ask<T>(server: RedisServer, question: (redis: Redis) => Promise<T>, password?: string): Promise<T> {
  const redis = new Redis({
    ...redisClientOptions(server.address),
    ...(password === undefined ? {} : { password }),
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

test('every write is on the disk before it is answered, and there is no snapshot beside it', async () => {
  const server = await start();
  const settings = await ask(server, (redis) =>
    Promise.all(['appendonly', 'appendfsync', 'save', 'maxmemory-policy'].map((name) => redis.config('GET', name))),
  );
  expect(settings.map((pair) => pair[1])).toEqual(['yes', 'always', '', 'noeviction']);
});

test('the password is in no argument and in no file that others may read', async () => {
  const server = await start();
  const password = server.address.password ?? '';
  expect(password.length).toBeGreaterThanOrEqual(32);
  const argv = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
  const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8');
  expect(argv).toContain('redis-server');
  expect(argv + environment).not.toContain(password);
  let filesWithPassword = 0;
  for (const name of await readdir(folder)) {
    const info = await stat(join(folder, name));
    if (!info.isFile() || !(await readFile(join(folder, name), 'utf8')).includes(password)) continue;
    filesWithPassword += 1;
    expect(info.mode & 0o077).toBe(0);
  }
  expect(filesWithPassword).toBe(2);
});

test('nobody is let in without the password, and nobody from another machine at all', async () => {
  const server = await start({ port: 0 });
  await expect(ask(server, (redis) => redis.ping(), 'guessed')).rejects.toThrow(/WRONGPASS|closed/);
  expect(await ask(server, (redis) => redis.ping())).toBe('PONG');
  const { at } = server.address;
  const outer = Object.values(networkInterfaces())
    .flat()
    .find((face) => face && !face.internal && face.family === 'IPv4');
  if (at.kind !== 'tcp') throw new Error('a port was asked for');
  expect(at.host).toBe('127.0.0.1');
  if (!outer) return;
  const socket = connect(at.port, outer.address);
  await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
});

test('a folder whose path is too long for a socket gets a port instead', async () => {
  const server = await start({ folder: join(folder, 'x'.repeat(60), 'y'.repeat(60)) });
  expect(server.address.at.kind).toBe('tcp');
  expect(await ask(server, (redis) => redis.ping())).toBe('PONG');
});

test('what was written is there after a stop and a new start', async () => {
  const first = await start();
  await ask(first, (redis) => redis.set('key', 'value'));
  await first.stop();
  expect(isRunning(first.pid)).toBe(false);
  const second = await start();
  expect(second.wasRunning).toBe(false);
  expect(await ask(second, (redis) => redis.get('key'))).toBe('value');
});

/** A daemon that has written a key and was killed; with the process id of its Redis. */
async function killedDaemon(path = process.env['PATH']): Promise<number> {
  const daemon = spawn(process.execPath, [join(import.meta.dirname, 'redis-daemon.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: path },
  });
  const [line] = (await once(daemon.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  pids.push(pid);
  expect(isRunning(pid)).toBe(true);
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
  return pid;
}

test('a daemon that is killed takes its Redis along, and the next one finds everything that was written', async () => {
  const pid = await killedDaemon();
  expect(await waitUntilGone(pid, 10_000)).toBe(true);
  const server = await start();
  expect(server).toMatchObject({ wasRunning: false });
  expect(await ask(server, (redis) => redis.get('who'))).toBe('first daemon');
});

test('where nothing ties it to its daemon, a killed one leaves its Redis, and the next one takes it over as it is', async () => {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const found of (process.env['PATH'] ?? '').split(delimiter).map((place) => join(place, 'redis-server'))) {
    if (existsSync(found)) await symlink(found, join(bin, 'redis-server')).catch(() => undefined);
  }
  const pid = await killedDaemon(bin);
  expect(isRunning(pid)).toBe(true);
  const server = await start();
  expect(server).toMatchObject({ pid, wasRunning: true });
  expect(await ask(server, (redis) => redis.get('who'))).toBe('first daemon');
  await server.stop();
  expect(isRunning(pid)).toBe(false);
});

test('a left-over Redis that no longer answers is replaced', async () => {
  const stuck = await startRedisServer({ folder, signal: AbortSignal.timeout(30_000) });
  pids.push(stuck.pid);
  await ask(stuck, (redis) => redis.set('key', 'value'));
  process.kill(stuck.pid, 'SIGSTOP');
  const server = await startRedisServer({ folder, signal: AbortSignal.timeout(60_000), startTimeoutMs: 60_000 });
  started.push(server);
  expect(server.wasRunning).toBe(false);
  expect(server.pid).not.toBe(stuck.pid);
  expect(isRunning(stuck.pid)).toBe(false);
  expect(await ask(server, (redis) => redis.get('key'))).toBe('value');
}, 60_000);

test('one that dies under a running daemon is started again at the same place, with everything in it', async () => {
  const server = await start();
  await ask(server, (redis) => redis.set('run', 'r1'));
  const ending = new AbortController();
  const logged: string[] = [];
  const log = (_fields: unknown, text: string): void => void logged.push(text);
  const logger = { debug: log, info: log, warn: log, error: log };
  const watching = keepRedisAlive(server, { folder, signal: ending.signal }, logger);
  process.kill(server.pid, 'SIGKILL');
  // With the address and the password that everybody got at the start.
  await expect.poll(() => ask(server, (redis) => redis.get('run')).catch(() => 'away'), { timeout: 20_000 }).toBe('r1');
  ending.abort();
  await watching;
  expect(logged).toEqual(['redis-server has ended, starting it again']);
});

test('a process that only has the number of our old Redis is left alone', async () => {
  const first = await start();
  await first.stop();
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore', cwd: folder });
  const pid = bystander.pid ?? 0;
  pids.push(pid);
  await writeFile(join(folder, 'redis.pid'), `${pid}\n`);
  const server = await start();
  expect(server.pid).not.toBe(pid);
  expect(isRunning(pid)).toBe(true);
});

test('a missing program is named together with how to install it', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = folder;
  try {
    await expect(start()).rejects.toMatchObject({
      code: 'host/missing-program',
      disposition: 'halt',
      message: expect.stringContaining('apt-get install redis-server') as string,
    });
  } finally {
    process.env['PATH'] = path;
  }
});

test('a server that cannot start says why, and leaves no process behind', async () => {
  const first = await start({ port: 0 });
  const { at } = first.address;
  if (at.kind !== 'tcp') throw new Error('a port was asked for');
  await expect(start({ folder: join(folder, 'second'), port: at.port })).rejects.toMatchObject({
    code: 'journal/unreachable',
    message: expect.stringContaining('Address already in use') as string,
  });
});

test('a start that is called off ends the server that was coming up', async () => {
  const stop = new AbortController();
  const starting = startRedisServer({ folder, signal: stop.signal });
  const reason = new Error('called off');
  stop.abort(reason);
  await expect(starting).rejects.toBe(reason);
  const server = await start();
  expect(server.wasRunning).toBe(false);
  expect(await waitUntilGone(server.pid, 0)).toBe(false);
});
