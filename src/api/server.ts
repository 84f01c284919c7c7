/**
 * Puts the routes on a Unix socket or on the loopback interface, and takes them off again.
 *
 * It never listens where other machines can reach it: the token travels in plain text. Access from elsewhere goes
 * through an SSH tunnel or a proxy that speaks TLS.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Operations } from '../engine/operations.ts';
import { InvariantError, MaintenanceError } from '../errors/maintenance-error.ts';
import type { Logger } from '../ports/logger.ts';
import { createApp } from './routes.ts';
import type { Webhook } from './webhook.ts';
import { isLoopback } from './wire.ts';

export type Listen = { readonly socket: string } | { readonly host: string; readonly port: number };

export interface ApiOptions {
  readonly operations: Operations;
  readonly listen: Listen;
  readonly token: string;
  readonly logger: Logger;
  /** Its end stops the server, as `stop` does. */
  readonly signal: AbortSignal;
  /** Listening on other interfaces than loopback has to be asked for; the command line does not offer it. */
  readonly allowRemote?: boolean;
  readonly heartbeatMs?: number;
  readonly webhook?: Webhook | undefined;
}

export interface Api {
  /** What a client takes as its server: a socket's path, or a URL. */
  readonly address: string;
  /** Ends event streams, lets requests under way finish for a moment, then closes. May be called again. */
  stop(): Promise<void>;
}

const stopGraceMs = 2_000;
const probeTimeoutMs = 1_000;
/** `sun_path` of Linux holds 108 bytes with the closing zero; a longer path would be cut off silently. */
const socketPathBytesMax = 107;

export async function startApi(options: ApiOptions): Promise<Api> {
  options.signal.throwIfAborted();
  if (options.token.length < 16) {
    throw new InvariantError('the API token is too short to protect anything');
  }
  checkListen(options.listen, options.allowRemote ?? false);
  const ending = new AbortController();
  const app = createApp({
    operations: options.operations,
    token: options.token,
    logger: options.logger,
    signal: ending.signal,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    webhook: options.webhook,
  });
  // The adapter's faster Request must not replace the global one: the daemon's other libraries use it too.
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as HttpServer;
  const address = await listen(server, options.listen);
  const stopOnce = once(() => stopServer(server, ending));
  const onAbort = (): void => void stopOnce();
  options.signal.addEventListener('abort', onAbort, { once: true });
  options.logger.info({ address }, 'API is listening');
  return {
    address,
    stop: async () => {
      options.signal.removeEventListener('abort', onAbort);
      await stopOnce();
    },
  };
}

type HttpServer = Server & { closeIdleConnections(): void; closeAllConnections(): void };

function once(work: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= work());
}

function checkListen(listen: Listen, allowRemote: boolean): void {
  if ('socket' in listen) {
    if (Buffer.byteLength(listen.socket) <= socketPathBytesMax) return;
    throw new MaintenanceError(
      'api/address',
      'halt',
      `the socket path is longer than ${socketPathBytesMax} bytes: ${listen.socket}`,
    );
  }
  if (allowRemote || isLoopback(listen.host)) return;
  throw new MaintenanceError(
    'api/address',
    'halt',
    `the API listens on loopback or a Unix socket only, not on ${listen.host}`,
  );
}

async function listen(server: HttpServer, where: Listen): Promise<string> {
  try {
    await listenOnce(server, where);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    // A daemon that was killed leaves its socket behind; one that answers is alive and keeps it.
    if (!inUse || !('socket' in where) || !(await isLeftBehind(where.socket))) throw addressError(where, error);
    await unlink(where.socket);
    await listenOnce(server, where).catch((again: unknown) => {
      throw addressError(where, again);
    });
  }
  if ('socket' in where) {
    await chmod(where.socket, 0o600);
    return where.socket;
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : where.port;
  return `http://${where.host.includes(':') ? `[${where.host.replaceAll(/[[\]]/g, '')}]` : where.host}:${port}`;
}

function listenOnce(server: HttpServer, where: Listen): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const onListening = (): void => {
      server.off('error', reject);
      resolve();
    };
    if ('socket' in where) server.listen({ path: where.socket }, onListening);
    else server.listen({ host: where.host.replaceAll(/[[\]]/g, ''), port: where.port }, onListening);
  });
}

function addressError(where: Listen, cause: unknown): MaintenanceError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
  const name = 'socket' in where ? where.socket : `${where.host}:${where.port}`;
  const why = code === 'EADDRINUSE' ? 'another process listens there' : code;
  return new MaintenanceError('api/address', 'halt', `cannot listen on ${name}: ${why}`, { cause });
}

/** Connecting to a plain file is refused as well, so the kind of file is looked at first. */
async function isLeftBehind(path: string): Promise<boolean> {
  return (await lstat(path)).isSocket() && !(await doesAnswer(path));
}

function doesAnswer(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(probeTimeoutMs, () => end(true));
    socket.once('connect', () => end(true));
    // Only a refusal proves that nobody is there; any other error leaves the file alone.
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code !== 'ECONNREFUSED'));
  });
}

async function stopServer(server: HttpServer, ending: AbortController): Promise<void> {
  ending.abort();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), stopGraceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
