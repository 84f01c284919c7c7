/** One API server per test, on its own socket in its own folder, gone when the test ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startApi, type Api, type ApiOptions } from '../../src/api/server.ts';
import { ApiClient } from '../../src/api/client.ts';
import { parseAddress } from '../../src/api/transport.ts';
import type { LogFields, Logger } from '../../src/ports/logger.ts';
import { FakeOperations } from './fake-operations.ts';

export const token = 'a-token-of-the-tests-0123456789';

export interface Logged {
  readonly level: string;
  readonly fields: LogFields;
  readonly text: string;
}

export function memoryLogger(): { logger: Logger; logged: Logged[] } {
  const logged: Logged[] = [];
  const at =
    (level: string) =>
    (fields: LogFields, text: string): void => {
      logged.push({ level, fields, text });
    };
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, logged };
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface Served {
  readonly operations: FakeOperations;
  readonly api: Api;
  readonly client: ApiClient;
  readonly folder: string;
  readonly logged: Logged[];
}

export async function serveFake(more: Partial<ApiOptions> = {}): Promise<Served> {
  const folder = await temporaryFolder();
  const operations = new FakeOperations();
  const { logger, logged } = memoryLogger();
  const ending = new AbortController();
  const listen = more.listen ?? { socket: join(folder, 'daemon.sock') };
  const api = await startApi({ operations, token, logger, signal: ending.signal, ...more, listen });
  onTestFinished(() => api.stop());
  return { operations, api, client: clientOf(api), folder, logged };
}

export function clientOf(api: Api, given: string = token): ApiClient {
  return new ApiClient({
    address: parseAddress(api.address),
    token: given,
    by: 'anna@ops1',
    signal: new AbortController().signal,
  });
}
