import { afterEach, describe, expect, it } from 'vitest';
import { MaintenanceError } from '../../../src/errors/maintenance-error.ts';
import { never, refusal, scriptedApi, token, until, type Reply, type ScriptedApi } from './scripted-api.ts';

const opened: ScriptedApi[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((api) => api.stop()));
});

async function open(...parameters: Parameters<typeof scriptedApi>): Promise<ScriptedApi> {
  const api = await scriptedApi(...parameters);
  opened.push(api);
  return api;
}

async function errorOf(promise: Promise<unknown>): Promise<MaintenanceError> {
  const error = await promise.then(
    () => new Error('it did not reject'),
    (error: unknown) => error,
  );
  if (!(error instanceof MaintenanceError)) throw error;
  return error;
}

describe('an answer that is none', () => {
  const statuses: readonly [number, string, string][] = [
    [400, 'cluster/refused', 'halt'],
    [401, 'cluster/unauthorized', 'halt'],
    [403, 'cluster/forbidden', 'halt'],
    [404, 'cluster/not-found', 'halt'],
    [409, 'cluster/conflict', 'retry'],
    [422, 'cluster/refused', 'halt'],
    [429, 'cluster/throttled', 'wait'],
    [500, 'cluster/unreachable', 'retry'],
    [503, 'cluster/unreachable', 'retry'],
  ];
  it.each(statuses)('%i is %s (%s), and names what was asked', async (status, code, disposition) => {
    const api = await open((seen) => (seen.path === '/version' ? refusal(status, 'no') : undefined));
    const error = await errorOf(api.cluster.version(never));
    expect(error).toMatchObject({ code, disposition });
    expect(error.message).toContain('get version');
  });

  it('says how long to wait when the server does', async () => {
    const reply: Reply = { ...refusal(429, 'too many requests'), headers: { 'retry-after': '3' } };
    const api = await open((seen) => (seen.path === '/version' ? reply : undefined));
    expect((await errorOf(api.cluster.version(never))).retryAfterMs).toBe(3000);
  });

  it('a server that answers nothing is unreachable after the bound', async () => {
    const api = await open((seen) => (seen.path === '/version' ? 'handled' : undefined), { times: { requestMs: 100 } });
    expect(await errorOf(api.cluster.version(never))).toMatchObject({
      code: 'cluster/unreachable',
      disposition: 'retry',
    });
  });

  it('a connection that drops half way through the answer is unreachable', async () => {
    const api = await open((seen, response) => {
      if (seen.path !== '/version') return undefined;
      response.writeHead(200, { 'content-length': '1000' }).write('{"git');
      setTimeout(() => response.destroy(), 5);
      return 'handled';
    });
    expect(await errorOf(api.cluster.version(never))).toMatchObject({ code: 'cluster/unreachable' });
  });

  it('a port that nobody listens on is unreachable', async () => {
    const api = await open(() => undefined, { server: 'http://127.0.0.1:1' });
    const error = await errorOf(api.cluster.version(never));
    expect(error).toMatchObject({ code: 'cluster/unreachable', disposition: 'retry' });
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('the abort of the caller stays the caller’s', async () => {
    const api = await open((seen) => (seen.path === '/version' ? 'handled' : undefined));
    const abort = new AbortController();
    const reason = new Error('paused');
    const asked = api.cluster.version(abort.signal);
    await until(() => api.seen.some((seen) => seen.path === '/version'), 'the request arrived');
    abort.abort(reason);
    await expect(asked).rejects.toBe(reason);
  });
});

describe('credentials', () => {
  it('go with every request', async () => {
    const api = await open((seen) =>
      seen.path === '/version' ? { status: 200, body: { gitVersion: 'v1' } } : undefined,
    );
    expect(await api.cluster.version(never)).toBe('v1');
    expect(api.seen.length).toBeGreaterThan(0);
    expect(api.seen.every((seen) => seen.headers.authorization === `Bearer ${token}`)).toBe(true);
  });

  it('are in no message, even if a proxy sends them back', async () => {
    const api = await open((seen) =>
      seen.path === '/version' ? refusal(502, `upstream said: Authorization: Bearer ${token}`) : undefined,
    );
    const error = await errorOf(api.cluster.version(never));
    expect(error.message).toContain('upstream said');
    const everything = JSON.stringify([error.message, error.stack, error.details, String(error.cause), api.log]);
    expect(everything).not.toContain(token);
  });
});

it('requests share connections instead of opening one each', async () => {
  const ports = new Set<number | undefined>();
  const api = await open((seen, response) => {
    if (seen.path !== '/version') return undefined;
    ports.add(response.socket?.remotePort);
    return { status: 200, body: { gitVersion: 'v1' } };
  });
  for (let turn = 0; turn < 10; turn += 1) await api.cluster.version(never);
  expect(ports.size).toBeGreaterThan(0);
  expect(ports.size).toBeLessThan(5);
});
