import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { KubeConfig } from '@kubernetes/client-node';
import { kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import { servers, testWorld } from '../../simulator/kubernetes/worlds.ts';
import { startLab, type LabUnderTest } from './client.ts';

const world = testWorld({
  servers: servers(3),
  workloads: [{ kind: 'deployment', name: 'web', namespace: 'shop', replicas: 3, budget: { minAvailable: 2 } }],
});
let under: LabUnderTest;

beforeAll(async () => {
  under = await startLab(world.api, { bookmarkMs: 20 });
});
afterAll(async () => {
  world.stop();
  await under.stop();
});
afterEach(() => under.lab.faults.clear());

const get = (asked: string, token: string | undefined = under.lab.tokens.admin): ReturnType<typeof under.client.ask> =>
  under.client.ask({ method: 'GET', path: asked, token });

const labels = (): unknown => world.api.store.get(kinds.nodes, undefined, 'n3')?.metadata.labels;

describe('the door', () => {
  test('a token that nobody has is 401, one without the right is 403', async () => {
    const path = '/api/v1/nodes/n1';
    expect((await get(path, 'wrong')).status).toBe(401);
    expect((await get(path, '')).status).toBe(401);
    const { tokens } = under.lab;
    expect((await get(path, tokens.viewer)).status).toBe(200);
    const refused = await under.client.ask({ method: 'DELETE', path, token: tokens.pitcrew });
    expect(refused.status).toBe(403);
  });

  test('the kubeconfig carries authority and token, and is for its owner alone', async () => {
    const config = new KubeConfig();
    config.loadFromFile(under.lab.kubeconfigFile);
    expect(config.getCurrentContext()).toBe('pitcrew');
    const tokenFile = path.join(path.dirname(under.lab.kubeconfigFile), 'pitcrew.token');
    const options: { headers?: Record<string, string>; ca?: unknown } = {};
    await config.applyToHTTPSOptions(options);
    expect(options.headers?.['Authorization']?.trim()).toBe(`Bearer ${under.lab.tokens.pitcrew}`);
    expect(String(options.ca)).toBe(under.lab.authorityPem);
    for (const file of [under.lab.kubeconfigFile, tokenFile]) {
      expect((await stat(file)).mode & 0o077).toBe(0);
    }
    expect((await readFile(tokenFile, 'utf8')).trim()).toBe(under.lab.tokens.pitcrew);
  });

  test('a body that is no JSON is 400, a path that is not served 404', async () => {
    expect((await get('/apis/nothing.example.org/v1/things')).status).toBe(404);
    expect((await get('/api/v1/namespaces/shop/nodes')).status).toBe(404);
    expect((await get('/api/v1/pods/web')).status).toBe(404);
  });
});

describe('watches', () => {
  test('begin with what is there, go on with changes, and carry bookmarks', async () => {
    const path = '/api/v1/nodes?watch=1&allowWatchBookmarks=true';
    const watching = under.client.ask({
      method: 'GET',
      path,
      token: under.lab.tokens.viewer,
      until: (text) => /MODIFIED/.test(text) && /BOOKMARK/.test(text),
    });
    await expect.poll(() => under.lab.faults.openWatches).toBe(1);
    world.ask('PATCH', '/api/v1/nodes/n2', { metadata: { labels: { seen: 'yes' } } }, 'application/merge-patch+json');
    const types = (await watching).lines.map((line) => (line as { type: string }).type);
    expect(types.slice(0, 3)).toEqual(['ADDED', 'ADDED', 'ADDED']);
    expect(new Set(types.slice(3))).toEqual(new Set(['MODIFIED', 'BOOKMARK']));
    await expect.poll(() => under.lab.faults.openWatches).toBe(0);
  });

  test('go on from the version of a list without a gap', async () => {
    const list = JSON.parse((await get('/api/v1/nodes')).text) as { metadata: { resourceVersion: string } };
    world.ask('PATCH', '/api/v1/nodes/n1', { metadata: { labels: { gap: 'no' } } }, 'application/merge-patch+json');
    const path = `/api/v1/nodes?watch=1&resourceVersion=${list.metadata.resourceVersion}`;
    const seen = await under.client.ask({
      method: 'GET',
      path,
      token: under.lab.tokens.viewer,
      until: (text) => text.endsWith('\n'),
    });
    expect(seen.lines).toMatchObject([
      { type: 'MODIFIED', object: { metadata: { name: 'n1', labels: { gap: 'no' } } } },
    ]);
  });

  test('end by themselves after timeoutSeconds', async () => {
    const answer = await get('/api/v1/nodes?watch=1&timeoutSeconds=1');
    expect(answer.status).toBe(200);
    expect(answer.lines.length).toBe(3);
  });

  test('break without a word when they are cut', async () => {
    const watching = get('/api/v1/nodes?watch=1').then(
      () => 'ended',
      () => 'broken',
    );
    await expect.poll(() => under.lab.faults.openWatches).toBe(1);
    expect(under.lab.faults.breakWatches()).toBe(1);
    expect(await watching).toBe('broken');
  });
});

describe('faults', () => {
  test.each([409, 429, 500, 503] as const)('the next matching requests get %d, then all is well', async (status) => {
    under.lab.faults.arm({ kind: 'status', status, retryAfterSeconds: 3 }, { method: 'GET', path: /nodes/ }, 2);
    expect((await get('/api/v1/namespaces')).status).toBe(200);
    const answers = [await get('/api/v1/nodes'), await get('/api/v1/nodes'), await get('/api/v1/nodes')];
    expect(answers.map((answer) => answer.status)).toEqual([status, status, 200]);
    expect(answers[0]?.headers['retry-after']).toBe('3');
  });

  test('a lost answer has had its effect, a cut connection has not', async () => {
    const patch = (label: string): Promise<unknown> => {
      const body = { metadata: { labels: { [label]: 'x' } } };
      const contentType = 'application/merge-patch+json';
      return under.client.ask({
        method: 'PATCH',
        path: '/api/v1/nodes/n3',
        body,
        contentType,
        token: under.lab.tokens.admin,
      });
    };
    under.lab.faults.arm({ kind: 'cut' }, { method: 'PATCH' });
    await expect(patch('cut')).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect(labels()).not.toHaveProperty('cut');
    under.lab.faults.arm({ kind: 'answerLost' }, { method: 'PATCH' });
    await expect(patch('lost')).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect(labels()).toHaveProperty('lost');
    expect(under.lab.faults.struck).toBeGreaterThan(1);
  });
});
