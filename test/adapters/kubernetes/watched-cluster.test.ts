import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { SystemClock } from '../../../src/adapters/system/system-clock.ts';
import { never, refusal, scriptedApi, until, type Reply, type ScriptedApi, type Seen } from './scripted-api.ts';

const opened: ScriptedApi[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((api) => api.stop()));
});

/** Answers for pods; nodes and budgets stay empty. */
async function withPods(
  answers: {
    list?: (seen: Seen, time: number) => Reply | undefined;
    watch?: (seen: Seen, response: ServerResponse, time: number) => Reply | 'handled' | undefined;
  },
  options: Parameters<typeof scriptedApi>[1] = {},
): Promise<ScriptedApi> {
  let lists = 0;
  let watches = 0;
  const api = await scriptedApi((seen, response) => {
    if (seen.path !== '/api/v1/pods') return undefined;
    if (!seen.query.get('watch')) return answers.list?.(seen, (lists += 1));
    return answers.watch?.(seen, response, (watches += 1));
  }, options);
  opened.push(api);
  return api;
}

function pod(name: string, resourceVersion: string, node = 'node-a') {
  return {
    metadata: { namespace: 'shop', name, uid: `uid-${name}`, resourceVersion },
    spec: { nodeName: node },
    status: { phase: 'Running' },
  };
}

function podList(resourceVersion: string, names: string[], more: { continue?: string } = {}): Reply {
  return {
    status: 200,
    body: { metadata: { resourceVersion, ...more }, items: names.map((name) => pod(name, resourceVersion)) },
  };
}

function send(response: ServerResponse, ...events: { type: string; object: unknown }[]): 'handled' {
  if (!response.headersSent) response.writeHead(200);
  for (const event of events) response.write(`${JSON.stringify(event)}\n`);
  return 'handled';
}

async function podNames(api: ScriptedApi): Promise<string[]> {
  return (await api.cluster.view(never)).pods.map((pod) => pod.name);
}

function podRequests(api: ScriptedApi, kind: 'list' | 'watch'): Seen[] {
  return api.seen.filter((seen) => seen.path === '/api/v1/pods' && seen.query.has('watch') === (kind === 'watch'));
}

describe('the view follows the cluster', () => {
  it('what the list holds, changed by what the watch brings', async () => {
    const api = await withPods({
      list: () => podList('10', ['a', 'b']),
      watch: (seen, response, time) => {
        if (time > 1 || seen.query.get('resourceVersion') !== '10') return undefined;
        return send(
          response,
          { type: 'ADDED', object: pod('c', '11') },
          { type: 'DELETED', object: pod('a', '12') },
          { type: 'MODIFIED', object: pod('b', '13', 'node-b') },
        );
      },
    });
    await until(async () => (await podNames(api)).join() === 'b,c', 'the changes arrived');
    expect((await api.cluster.view(never)).pods[0]).toMatchObject({ name: 'b', node: 'node-b' });
  });

  it('an event that arrives in pieces, with letters cut in half, is one event', async () => {
    const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: pod('käse', '11') })}\n`);
    const api = await withPods({
      list: () => podList('10', []),
      watch: (_seen, response, time) => {
        if (time > 1) return undefined;
        response.writeHead(200);
        const cut = line.indexOf(Buffer.from('ä')) + 1;
        response.write(line.subarray(0, cut));
        setTimeout(() => response.write(line.subarray(cut)), 20);
        return 'handled';
      },
    });
    await until(async () => (await podNames(api)).length > 0, 'the event arrived');
    expect(await podNames(api)).toEqual(['käse']);
  });

  it('a long list is read page by page, and watched from the version of its last page', async () => {
    const api = await withPods({
      list: (seen) =>
        seen.query.get('continue') === 'more' ? podList('10', ['c']) : podList('10', ['a', 'b'], { continue: 'more' }),
    });
    expect(await podNames(api)).toEqual(['a', 'b', 'c']);
    await until(() => podRequests(api, 'watch').length > 0, 'the watch began');
    expect(podRequests(api, 'watch')[0]?.query.get('resourceVersion')).toBe('10');
    expect(podRequests(api, 'list').every((seen) => Number(seen.query.get('limit')) > 0)).toBe(true);
  });

  it('pages that grew too old are listed anew in one piece, and no pod of before stays', async () => {
    const api = await withPods({
      list: (seen, time) => {
        if (time === 1) return podList('10', ['old'], { continue: 'more' });
        if (seen.query.get('continue')) return refusal(410, 'The provided continue parameter is too old', 'Expired');
        return podList('20', ['new']);
      },
    });
    expect(await podNames(api)).toEqual(['new']);
    expect(podRequests(api, 'list').at(-1)?.query.has('limit')).toBe(false);
  });

  it('listeners are told of many changes at once, and no more after they left', async () => {
    let told = 0;
    let watching: ServerResponse | undefined;
    const api = await withPods({
      list: () => podList('10', []),
      watch: (_seen, response, time) => {
        if (time > 1) return undefined;
        watching = response;
        return 'handled';
      },
    });
    await until(() => podRequests(api, 'watch').length > 0, 'the watch began');
    await api.cluster.view(never);
    const leave = api.cluster.onChange(() => (told += 1));
    const events = Array.from({ length: 50 }, (_, index) => ({
      type: 'ADDED',
      object: pod(`p${index}`, String(11 + index)),
    }));
    if (watching) send(watching, ...events);
    await until(async () => (await podNames(api)).length === 50 && told > 0, 'all pods arrived');
    expect(told).toBeLessThan(50);
    leave();
  });
});

describe('a watch that breaks', () => {
  it('goes on from the last version seen, bookmarks included, without a list', async () => {
    const api = await withPods({
      list: () => podList('10', ['a']),
      watch: (_seen, response, time) => {
        if (time === 1) {
          send(response, { type: 'ADDED', object: pod('b', '11') });
          send(response, { type: 'BOOKMARK', object: { kind: 'Pod', metadata: { resourceVersion: '42' } } });
          setTimeout(() => response.destroy(), 20);
          return 'handled';
        }
        return time === 2 ? send(response, { type: 'ADDED', object: pod('c', '43') }) : undefined;
      },
    });
    await until(async () => (await podNames(api)).join() === 'a,b,c', 'the second watch brought its event');
    expect(podRequests(api, 'watch')[1]?.query.get('resourceVersion')).toBe('42');
    expect(podRequests(api, 'list')).toHaveLength(1);
  });

  it('lists anew when its version is too old, and forgets what is gone by then', async () => {
    const api = await withPods({
      list: (_seen, time) => (time === 1 ? podList('10', ['a', 'b']) : podList('90', ['b', 'c'])),
      watch: (seen, response) =>
        seen.query.get('resourceVersion') === '10'
          ? send(response, {
              type: 'ERROR',
              object: { kind: 'Status', status: 'Failure', message: 'too old resource version: 10 (80)', code: 410 },
            })
          : undefined,
    });
    await until(async () => (await podNames(api)).join() === 'b,c', 'the second list arrived');
    await until(() => podRequests(api, 'watch').length > 1, 'the second watch began');
    expect(podRequests(api, 'watch').at(-1)?.query.get('resourceVersion')).toBe('90');
  });

  it('lists anew when the refusal of its version comes as a status', async () => {
    const api = await withPods({
      list: (_seen, time) => podList(time === 1 ? '10' : '90', time === 1 ? ['a'] : ['b']),
      watch: (seen) => (seen.query.get('resourceVersion') === '10' ? refusal(410, 'gone', 'Gone') : undefined),
    });
    await until(async () => (await podNames(api)).join() === 'b', 'the second list arrived');
    expect(podRequests(api, 'list')).toHaveLength(2);
  });

  it('suspects its version when the server refuses it again and again', async () => {
    const api = await withPods({
      list: (_seen, time) => podList(time === 1 ? '900' : '20', time === 1 ? ['a'] : ['b']),
      watch: (seen) =>
        seen.query.get('resourceVersion') === '900' ? refusal(504, 'Too large resource version: 900') : undefined,
    });
    await until(async () => (await podNames(api)).join() === 'b', 'it listed anew');
    expect(podRequests(api, 'watch').length).toBeGreaterThan(2);
  });

  it('is opened anew when nothing comes for too long', async () => {
    const api = await withPods({ list: () => podList('10', []) }, { times: { silenceMs: 50 } });
    await until(() => podRequests(api, 'watch').length > 2, 'the watch was opened again');
    expect(podRequests(api, 'list')).toHaveLength(1);
  });

  it('is not opened in a tight loop when a proxy ends it at once', async () => {
    const api = await withPods(
      { list: () => podList('10', []), watch: () => ({ status: 200, body: '' }) },
      { times: { backoffMinMs: 200, backoffMaxMs: 60_000 } },
    );
    await api.cluster.view(never);
    await new SystemClock().sleep(500);
    const count = podRequests(api, 'watch').length;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(10);
  });
});

describe('no view rather than an old one', () => {
  it('rejects when there was no contact for too long, and comes back by itself', async () => {
    let isDown = false;
    const clock = new SystemClock();
    let aheadMs = 0;
    const shifted = { nowMs: () => clock.nowMs() + aheadMs, sleep: clock.sleep.bind(clock) };
    const api = await withPods(
      {
        list: () => podList('10', ['a']),
        watch: (_seen, response) => {
          if (isDown) return refusal(503, 'the server is going down');
          setTimeout(() => response.destroy(), 30);
          return send(response, { type: 'BOOKMARK', object: { metadata: { resourceVersion: '11' } } });
        },
      },
      { clock: shifted, times: { staleMs: 60_000, silenceMs: 100 } },
    );
    expect(await podNames(api)).toEqual(['a']);
    isDown = true;
    const before = podRequests(api, 'watch').length;
    await until(() => podRequests(api, 'watch').length > before + 2, 'the watch was refused');
    expect(await podNames(api)).toEqual(['a']);
    aheadMs = 61_000;
    await expect(api.cluster.view(never)).rejects.toMatchObject({
      code: 'cluster/unreachable',
      disposition: 'retry',
      message: expect.stringContaining('the server is going down') as string,
    });
    isDown = false;
    await until(
      () =>
        podNames(api).then(
          (names) => names.join() === 'a',
          () => false,
        ),
      'the view came back',
    );
  });

  it('a right that is missing is told at once, with its resource', async () => {
    const api = await withPods({
      list: () => refusal(403, 'pods is forbidden: User "x" cannot list resource "pods"', 'Forbidden'),
    });
    await expect(api.cluster.view(never)).rejects.toMatchObject({
      code: 'cluster/forbidden',
      disposition: 'halt',
      message: expect.stringContaining('list pods') as string,
    });
  });

  it('waits for the first lists no longer than its bound', async () => {
    const api = await withPods({ list: () => refusal(503, 'starting') }, { times: { syncMs: 100 } });
    await expect(api.cluster.view(never)).rejects.toMatchObject({ code: 'cluster/unreachable', disposition: 'retry' });
  });

  it('a page that is no list does not empty the cluster', async () => {
    const api = await withPods(
      { list: () => ({ status: 200, body: { message: 'please log in' } }) },
      { times: { syncMs: 100 } },
    );
    await expect(api.cluster.view(never)).rejects.toMatchObject({ code: 'cluster/unreachable' });
  });

  it('ends its waiting when the caller gives up', async () => {
    const api = await withPods({ list: () => refusal(503, 'starting') });
    const abort = new AbortController();
    const reason = new Error('stopped');
    const asked = api.cluster.view(abort.signal);
    abort.abort(reason);
    await expect(asked).rejects.toBe(reason);
  });

  it('there is none after the connection was closed', async () => {
    const api = await withPods({ list: () => podList('10', ['a']) });
    expect(await podNames(api)).toEqual(['a']);
    await api.cluster.stop();
    await expect(api.cluster.view(never)).rejects.toMatchObject({ code: 'cluster/unreachable' });
  });
});
