/**
 * A Redis of our own, for whoever has none: started with the daemon, stopped with it, its data in the given folder.
 *
 * When the daemon is killed, the kernel kills its Redis as well; every entry is on the disk by then. One that runs in the
 * folder all the same is taken over by a new daemon where it answers, and ended where it does not. It never touches a process
 * that is not a redis-server working in this folder.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, mkdir, open, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { access, constants } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { RedisAddress } from '../../ports/redis-address.ts';
import { isRunning, processWorkingIn, waitUntilGone } from './processes.ts';

const pollMs = 50;
const lookAfterMs = 2_000;

export interface RedisServerOptions {
  /** Made where it does not exist; holds the data, the configuration and the log. */
  readonly folder: string;
  /** On the loopback interface. Without it a Unix socket in the folder is used, where its path is short enough. */
  readonly port?: number;
  /** Ends the start, not the server. */
  readonly signal: AbortSignal;
  readonly startTimeoutMs?: number;
}

export interface RedisServer {
  readonly address: RedisAddress;
  readonly pid: number;
  /** It ran already, left over from a daemon that was killed. */
  readonly wasRunning: boolean;
  /** Has it write everything down and end; ends it by force where it does not. */
  stop(): Promise<void>;
}

const SavedAddress = z.object({
  at: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('tcp'), host: z.string(), port: z.int(), tls: z.boolean() }),
    z.object({ kind: z.literal('socket'), path: z.string() }),
  ]),
  password: z.string(),
});
type SavedAddress = z.infer<typeof SavedAddress>;

/** @throws `host/missing-program` (halt), `journal/unreachable` (retry) when it does not come up. */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const folder = await realpath(options.folder);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.startTimeoutMs ?? 30_000)]);
  const program = await findProgram('redis-server');
  const running = await takeOver(folder, signal);
  if (running) return running;
  const address = await chooseAddress(folder, options.port);
  await writeFile(join(folder, 'redis.conf'), configuration(folder, address), { mode: 0o600 });
  await writeFile(join(folder, 'address.json'), JSON.stringify(address), { mode: 0o600 });
  const log = await open(join(folder, 'redis.log'), 'a', 0o600);
  const child = await launch(program, folder, log);
  try {
    const pid = await waitUntilItAnswers(address, folder, signal, () => (child.exitCode ?? child.signalCode) !== null);
    return serverAt(address, folder, pid, false);
  } catch (error) {
    child.kill('SIGKILL');
    options.signal.throwIfAborted();
    const reason = (await readFile(join(folder, 'redis.log'), 'utf8')).trimEnd().split('\n').slice(-3).join(' | ');
    throw new MaintenanceError('journal/unreachable', 'retry', `redis-server does not come up: ${reason}`, {
      cause: error,
    });
  }
}

async function launch(program: string, folder: string, log: FileHandle): Promise<ChildProcess> {
  try {
    const [file = '', ...words] = await tied([program, join(folder, 'redis.conf')]);
    const child = spawn(file, words, {
      cwd: folder,
      // A Ctrl-C in the terminal is for the daemon, which still needs the journal while it comes to a stop.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: process.env['PATH'] ?? '' },
    });
    await once(child, 'spawn');
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

/**
 * As a command that the kernel kills when this process ends, however that ends: no process in between that could be killed
 * itself, and the same process id. setpriv is a part of util-linux, an essential package of Debian; where there is none, the
 * server may outlive us, and the next daemon on its folder finds it.
 */
async function tied(command: readonly string[]): Promise<readonly string[]> {
  const setpriv = await findProgram('setpriv').catch(() => undefined);
  if (setpriv === undefined) return command;
  // Should we have died before the kernel was asked, nobody would tell it any more: then it does not begin at all.
  const ifWeLive = 'parent=$1; shift; [ "$PPID" = "$parent" ] && exec "$@"';
  return [setpriv, '--pdeathsig', 'KILL', '--', '/bin/sh', '-c', ifWeLive, 'sh', String(process.pid), ...command];
}

/**
 * Starts it anew when it dies under a running daemon (out of memory, a wrong hand): its journal is on the disk, and runs
 * go on as soon as it answers. Ends with the signal.
 */
export async function keepRedisAlive(server: RedisServer, options: RedisServerOptions, logger: Logger): Promise<void> {
  const { signal } = options;
  let { pid } = server;
  while (!signal.aborted) {
    await sleep(lookAfterMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted || isRunning(pid)) continue;
    logger.error({ pid }, 'redis-server has ended, starting it again');
    try {
      ({ pid } = await startRedisServer(options));
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, 'redis-server could not be started again, trying once more');
    }
  }
}

/** The server that runs in this folder already; `undefined` when there is none, or none any more. */
async function takeOver(folder: string, signal: AbortSignal): Promise<RedisServer | undefined> {
  const pid = await processWorkingIn(folder, 'redis-server', join(folder, 'redis.pid'));
  if (pid === undefined) return undefined;
  try {
    const address = await readSaved(folder);
    // Ten seconds, since it may be loading its data. One that is stuck is replaced.
    const patience = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
    await waitUntilItAnswers(address, folder, patience, () => !isRunning(pid));
    return serverAt(address, folder, pid, true);
  } catch {
    signal.throwIfAborted();
    await end(pid);
    return undefined;
  }
}

function serverAt(address: SavedAddress, folder: string, pid: number, wasRunning: boolean): RedisServer {
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    // NOSAVE: what counts is in the append-only file, written down with every command.
    await ask(address, 2_000, (redis) => redis.shutdown('NOSAVE')).catch(() => undefined);
    if (!(await waitUntilGone(pid, 5_000))) await end(pid);
    await rm(join(folder, 'address.json'), { force: true });
    await rm(join(folder, 'redis.pid'), { force: true });
  };
  return { address, pid, wasRunning, stop: () => (stopping ??= stop()) };
}

/** Politely, then by force. */
async function end(pid: number): Promise<void> {
  for (const [signalName, patienceMs] of [
    ['SIGTERM', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    try {
      process.kill(pid, signalName);
    } catch {
      return;
    }
    if (await waitUntilGone(pid, patienceMs)) return;
  }
}

/** Returns its process id. */
async function waitUntilItAnswers(
  address: SavedAddress,
  folder: string,
  signal: AbortSignal,
  hasEnded: () => boolean,
): Promise<number> {
  for (;;) {
    signal.throwIfAborted();
    if (hasEnded()) throw new Error('it has ended');
    try {
      const [info, directory] = await ask(address, 2_000, (redis) =>
        Promise.all([redis.info('server'), redis.config('GET', 'dir')]),
      );
      const pid = Number(/^process_id:(\d+)/m.exec(info)?.[1]);
      if (Array.isArray(directory) && directory[1] === folder && pid > 0) return pid;
      throw new Error('another Redis answers there');
    } catch (error) {
      await sleep(pollMs, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}

async function ask<T>(address: SavedAddress, timeoutMs: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const { at, password } = address;
  const redis = new Redis({
    ...(at.kind === 'socket' ? { path: at.path } : { host: at.host, port: at.port }),
    password,
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  });
  // Whatever goes wrong comes out of the calls as well.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

async function findProgram(name: string): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder !== '' && isThere) return path;
  }
  const message = `the program ${name} is missing; install it with: apt-get install ${name}`;
  throw new MaintenanceError('host/missing-program', 'halt', message, { details: { program: name } });
}

/** The same as before, where one died without a word: whoever talked to it finds the next one at the same place. */
async function chooseAddress(folder: string, port: number | undefined): Promise<SavedAddress> {
  const saved = await readSaved(folder).catch(() => undefined);
  const isFitting = saved && (port === undefined || (saved.at.kind === 'tcp' && saved.at.port === port));
  if (isFitting) return saved;
  return { at: await choosePlace(folder, port), password: randomBytes(24).toString('base64url') };
}

async function readSaved(folder: string): Promise<SavedAddress> {
  return SavedAddress.parse(JSON.parse(await readFile(join(folder, 'address.json'), 'utf8')));
}

async function choosePlace(folder: string, port: number | undefined): Promise<SavedAddress['at']> {
  const path = join(folder, 'redis.sock');
  // The kernel keeps 108 bytes for the path of a socket.
  if (port === undefined && Buffer.byteLength(path) < 104) return { kind: 'socket', path };
  const tcpPort = port === undefined || port === 0 ? await freePort() : port;
  return { kind: 'tcp', host: '127.0.0.1', port: tcpPort, tls: false };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  server.close();
  await once(server, 'close');
  return typeof at === 'object' && at !== null ? at.port : 0;
}

/** As Redis reads its configuration. */
function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function configuration(folder: string, address: SavedAddress): string {
  const { at } = address;
  return [
    '# Written at every start. The password in here is why only the owner may read it.',
    `dir ${quote(folder)}`,
    `pidfile ${quote(join(folder, 'redis.pid'))}`,
    'daemonize no',
    'bind 127.0.0.1',
    'protected-mode yes',
    `requirepass ${quote(address.password)}`,
    ...(at.kind === 'socket' ? ['port 0', `unixsocket ${quote(at.path)}`, 'unixsocketperm 700'] : [`port ${at.port}`]),
    '# The journal is the only memory of a run: every entry is on the disk before it counts as written.',
    'appendonly yes',
    'appendfsync always',
    'save ""',
    'maxmemory-policy noeviction',
    '',
  ].join('\n');
}
