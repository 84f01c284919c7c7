/** A redis-server for one test file, on a socket in a temporary folder; stopped and removed afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type RedisServer, startRedisServer } from '../../../src/adapters/system/redis-server.ts';
import type { LogFields, Logger } from '../../../src/ports/logger.ts';

export function useOwnRedis(options: { port?: number } = {}): {
  server(): RedisServer;
  folder(): string;
  restart(): Promise<void>;
} {
  let folder = '';
  let server: RedisServer | undefined;
  const start = async (): Promise<void> => {
    server = await startRedisServer({ folder, signal: AbortSignal.timeout(30_000), ...options });
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pitcrew-redis-'));
    await start();
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    server: () => {
      if (!server) throw new Error('not started');
      return server;
    },
    folder: () => folder,
    restart: start,
  };
}

export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: LogFields;
  readonly text: string;
}

/** Keeps what is logged. */
export function recordingLogger(): { logger: Logger; lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at =
    (level: LoggedLine['level']) =>
    (fields: LogFields, text: string): void => {
      lines.push({ level, fields, text });
    };
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

/** Waits until `isSo`, and fails with `what` when it does not come to be. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`it never happened: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
