import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ApiClient } from '../../src/api/client.ts';
import { startApi } from '../../src/api/server.ts';
import { parseAddress } from '../../src/api/transport.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { clientOf, memoryLogger, serveFake, temporaryFolder, token } from './fixture.ts';
import { FakeOperations } from './fake-operations.ts';
import { runView } from './views.ts';

const loopback = { host: '127.0.0.1', port: 0 };

async function ask(
  base: string,
  path: string,
  init: { method?: string; body?: string } = {},
): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(base + path, { ...init, headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: await answer.json() };
}

describe('the token', () => {
  it('is needed for everything below /v1, known or not, and for nothing else', async () => {
    const { api, operations } = await serveFake({ listen: loopback });
    const wrong = [undefined, '', 'Bearer', 'Bearer ', `Bearer ${token}x`, `Basic ${token}`, `Bearer ${token} x`];
    for (const authorization of wrong) {
      for (const path of ['/v1/runs', '/v1/doctor', '/v1/events', '/v1/nothing']) {
        const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
        const answer = await fetch(api.address + path, { headers });
        expect({ authorization, path, status: answer.status }).toEqual({ authorization, path, status: 401 });
        expect(await answer.json()).toMatchObject({ error: { code: 'api/unauthorized', disposition: 'halt' } });
      }
    }
    expect(operations.asked).toEqual([]);
    const health = await fetch(`${api.address}/healthz`);
    expect([health.status, await health.json()]).toEqual([200, { ok: true }]);
  });

  it('stands in no log line', async () => {
    const { client, logged } = await serveFake();
    await client.start('weekly-kernel');
    await client.runs();
    expect(logged.length).toBeGreaterThan(0);
    expect(JSON.stringify(logged)).not.toContain(token);
  });

  it('is long enough to protect something, or the API does not start', async () => {
    await expect(serveFake({ token: '' })).rejects.toThrow('too short');
  });
});

describe('requests', () => {
  it('reach the operation of their name, with the name of who asks', async () => {
    const { client, operations } = await serveFake();
    operations.runViews = [runView()];
    expect(await client.runs()).toEqual([runView()]);
    expect(await client.run('2611-a7')).toEqual(runView());
    await client.history('2611-a7');
    await client.history('2611-a7', 'rack1-01');
    await client.output('2611-a7', 'rack1-01');
    expect(await client.start('weekly-kernel')).toEqual({ runId: '2611-a7' });
    for (const verb of ['pause', 'resume', 'stop', 'approve'] as const) {
      expect(await client.request('2611-a7', verb)).toEqual({ runId: '2611-a7', requested: verb });
    }
    await client.requestServer('2611-a7', 'rack1-01', 'retry');
    await client.requestServer('2611-a7', 'rack1-01', 'skip');
    await client.servers();
    operations.standings = [{ name: 'rack1-01', node: 'n', runs: [] }];
    expect(await client.server('rack1-01')).toEqual({ name: 'rack1-01', node: 'n', runs: [] });
    expect(await client.power('rack1-01', { verb: 'off' })).toEqual({ server: 'rack1-01', power: 'off' });
    expect(await client.evacuate('rack1-01')).toEqual({ runId: 'e-1' });
    expect(await client.returnServer('rack1-01')).toEqual({ runId: 'r-1' });
    expect(await client.windows()).toEqual([]);
    expect(await client.windows('weekly-kernel')).toEqual([]);
    expect(await client.doctor()).toEqual([]);
    expect(operations.asked).toEqual([
      'runs',
      'run 2611-a7',
      'history 2611-a7 -',
      'history 2611-a7 rack1-01',
      'output 2611-a7 rack1-01',
      'start weekly-kernel by anna@ops1',
      'pause 2611-a7 by anna@ops1',
      'resume 2611-a7 by anna@ops1',
      'stop 2611-a7 by anna@ops1',
      'approve 2611-a7 by anna@ops1',
      'retry 2611-a7 rack1-01 by anna@ops1',
      'skip 2611-a7 rack1-01 by anna@ops1',
      'servers',
      'server rack1-01',
      'power rack1-01 off by anna@ops1',
      'evacuate rack1-01 by anna@ops1',
      'return rack1-01 by anna@ops1',
      'windows -',
      'windows weekly-kernel',
      'doctor',
    ]);
  });

  it.each([
    ['a body that is no JSON', '/v1/runs', 'plan=x'],
    ['a body without what is needed', '/v1/runs', '{}'],
    ['an unknown key', '/v1/runs', '{"plan":"x","force":true}'],
    ['a plan that is no name', '/v1/runs', '{"plan":"../x"}'],
    ['an unknown verb', '/v1/servers/rack1-01/power', '{"verb":"explode"}'],
    ['a server that is no name', '/v1/servers/Rack%2F1/evacuate', '{}'],
    ['a body that is too long', '/v1/runs', JSON.stringify({ plan: 'x'.repeat(70_000) })],
  ])('with %s are refused before any operation', async (_what, path, body) => {
    const { api, operations } = await serveFake({ listen: loopback });
    const answer = await ask(api.address, path, { method: 'POST', body });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'api/bad-request' } } });
    expect(operations.asked).toEqual([]);
  });

  it('to an unknown address are answered with 404', async () => {
    const { api } = await serveFake({ listen: loopback });
    expect(await ask(api.address, '/v1/nothing')).toMatchObject({
      status: 404,
      body: { error: { code: 'api/not-found' } },
    });
  });
});

describe('errors', () => {
  it.each([
    ['run/refused', 409],
    ['cluster/unreachable', 503],
    ['document/invalid', 422],
    ['document/not-found', 404],
    ['api/not-found', 404],
    ['service/failed', 409],
  ] as const)('%s travels as %i and comes back whole', async (code, status) => {
    const { api, client, operations } = await serveFake({ listen: loopback });
    const thrown = new MaintenanceError(code, 'wait', 'not now', { details: { count: 2 }, retryAfterMs: 500 });
    operations.failure = thrown;
    expect((await ask(api.address, '/v1/runs')).status).toBe(status);
    operations.failure = thrown;
    const error: unknown = await client.runs().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MaintenanceError);
    expect(error).toMatchObject({ code, disposition: 'wait', message: 'not now', details: { count: 2 } });
    expect(error).toMatchObject({ retryAfterMs: 500 });
  });

  it('of ours are logged and answered with 500, without a word about the inside', async () => {
    const { api, operations, logged } = await serveFake({ listen: loopback });
    operations.failure = new Error('secret inside');
    const answer = await ask(api.address, '/v1/runs');
    expect(answer).toMatchObject({ status: 500, body: { error: { code: 'api/internal' } } });
    expect(JSON.stringify(answer.body)).not.toContain('secret inside');
    expect(logged.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('of a wrong token come back as api/unauthorized', async () => {
    const { api } = await serveFake();
    await expect(clientOf(api, 'wrong').runs()).rejects.toMatchObject({ code: 'api/unauthorized' });
  });
});

describe('the network', () => {
  it.each(['http://127.0.0.1:1', '/nowhere/daemon.sock'])('nobody at %s is api/unreachable', async (server) => {
    const signal = new AbortController().signal;
    const client = new ApiClient({ address: parseAddress(server), token, by: 'x', signal });
    await expect(client.runs()).rejects.toMatchObject({ code: 'api/unreachable', disposition: 'retry' });
  });

  it('a daemon that never answers is api/unreachable after the time given', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const address = parseAddress(`http://127.0.0.1:${port}`);
    const client = new ApiClient({ address, token, by: 'x', signal: new AbortController().signal, timeoutMs: 50 });
    await expect(client.runs()).rejects.toMatchObject({ code: 'api/unreachable' });
  });

  it('the person’s interrupt is passed on as it is', async () => {
    const { api } = await serveFake();
    const interrupt = new AbortController();
    const address = parseAddress(api.address);
    const client = new ApiClient({ address, token, by: 'x', signal: interrupt.signal });
    interrupt.abort(new Error('interrupted'));
    await expect(client.runs()).rejects.toThrow('interrupted');
  });

  it('another server at that address is api/bad-answer', async () => {
    const { createServer: createHttp } = await import('node:http');
    const other = createHttp((_request, response) => response.end('<html>hello'));
    await new Promise<void>((resolve) => {
      other.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const address = parseAddress(`http://127.0.0.1:${port}`);
    const client = new ApiClient({ address, token, by: 'x', signal: new AbortController().signal });
    await expect(client.runs()).rejects.toMatchObject({ code: 'api/bad-answer' });
  });

  it('the token is never sent in plain text to another machine', () => {
    expect(() => parseAddress('http://pitcrew.example.org:7400')).toThrow('plain text');
    expect(parseAddress('https://pitcrew.example.org').kind).toBe('url');
    expect(parseAddress('http://[::1]:7400').kind).toBe('url');
  });
});

describe('listening', () => {
  it.each(['0.0.0.0', '::', '10.1.1.1', 'example.org'])('on %s is refused', async (host) => {
    await expect(serveFake({ listen: { host, port: 0 } })).rejects.toMatchObject({ code: 'api/address' });
  });

  it('elsewhere is possible only when asked for', async () => {
    // TEST-NET-1 is nobody's address: it shows that the guard let it pass, and that only the kernel refused.
    const listen = { host: '192.0.2.1', port: 0 };
    await expect(serveFake({ listen })).rejects.toThrow('loopback or a Unix socket only');
    await expect(serveFake({ listen, allowRemote: true })).rejects.toThrow('EADDRNOTAVAIL');
  });

  it('on a socket leaves it to its owner alone, and takes it away at the end', async () => {
    const { api } = await serveFake();
    expect((await stat(api.address)).mode & 0o777).toBe(0o600);
    await api.stop();
    expect(existsSync(api.address)).toBe(false);
  });

  it('takes over the socket of a daemon that was killed, never that of one that lives', async () => {
    const first = await serveFake();
    await expect(serveFake({ listen: { socket: first.api.address } })).rejects.toMatchObject({ code: 'api/address' });
    expect(await first.client.runs()).toEqual([]);

    // A socket whose process has died: bound by a child that ends without unlinking.
    const folder = await temporaryFolder();
    const left = join(folder, 'left.sock');
    const { execFileSync } = await import('node:child_process');
    const bind = `require('node:net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(() => execFileSync(process.execPath, ['-e', bind], { stdio: 'ignore' })).toThrow('Command failed');
    expect(existsSync(left)).toBe(true);
    const second = await serveFake({ listen: { socket: left } });
    expect(await second.client.runs()).toEqual([]);
  });

  it('never removes a file that is no socket', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'notes.txt');
    await writeFile(file, 'keep me');
    await expect(serveFake({ listen: { socket: file } })).rejects.toMatchObject({ code: 'api/address' });
    expect(existsSync(file)).toBe(true);
  });

  it('ends with the signal', async () => {
    const folder = await temporaryFolder();
    const socket = join(folder, 'daemon.sock');
    const ending = new AbortController();
    const { logger } = memoryLogger();
    const operations = new FakeOperations();
    const api = await startApi({ operations, token, logger, signal: ending.signal, listen: { socket } });
    ending.abort();
    await api.stop();
    await expect(clientOf(api).runs()).rejects.toMatchObject({ code: 'api/unreachable' });
  });
});

describe('events', () => {
  it('name the run that changed, and each run once however often it changed meanwhile', async () => {
    const { client, operations } = await serveFake({ heartbeatMs: 20 });
    const seen: string[] = [];
    const done = new AbortController();
    const change = (): void => {
      for (let count = 0; count < 5; count += 1) operations.set(runView({ runId: 'a' }));
      operations.set(runView({ runId: 'b' }));
    };
    await client.watch(done.signal, change, (runId) => {
      seen.push(runId);
      if (runId === 'b') done.abort();
    });
    expect(seen).toEqual(['a', 'b']);
  });

  it('carry a heartbeat while nothing happens', async () => {
    const { api } = await serveFake({ listen: loopback, heartbeatMs: 5 });
    const reading = new AbortController();
    const answer = await fetch(`${api.address}/v1/events`, {
      headers: { authorization: `Bearer ${token}` },
      signal: reading.signal,
    });
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes(': still here\n\n')) break;
    }
    reading.abort();
    expect(text.startsWith(': connected\n\n')).toBe(true);
  });

  it('end when the server stops, and stop the operation’s watching when the reader goes', async () => {
    const { api, client, operations } = await serveFake({ heartbeatMs: 5 });
    const leaving = new AbortController();
    await client.watch(
      leaving.signal,
      () => leaving.abort(),
      () => undefined,
    );
    await expect.poll(() => operations.watchers, { timeout: 10_000 }).toBe(0);

    const never = new AbortController();
    await client.watch(
      never.signal,
      () => void api.stop(),
      () => undefined,
    );
    expect(operations.watchers).toBe(0);
  });
});
