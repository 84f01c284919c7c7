import { afterEach, describe, expect, it } from 'vitest';
import { never, refusal, scriptedApi, type Reply, type ScriptedApi, type Seen } from './scripted-api.ts';

const opened: ScriptedApi[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((api) => api.stop()));
});

/** One node that every read returns, and an answer for patches. */
async function withNode(node: object, onPatch: (seen: Seen, time: number) => Reply): Promise<ScriptedApi> {
  let patches = 0;
  const api = await scriptedApi((seen) => {
    if (!seen.path.startsWith('/api/v1/nodes/')) return undefined;
    return seen.method === 'PATCH' ? onPatch(seen, (patches += 1)) : { status: 200, body: node };
  });
  opened.push(api);
  return api;
}

function patchesOf(api: ScriptedApi): Seen[] {
  return api.seen.filter((seen) => seen.method === 'PATCH');
}

const done = (): Reply => ({ status: 200, body: {} });
const conflict = refusal(409, 'the object has been modified', 'Conflict');
const free = { metadata: { name: 'node-a', uid: 'u1', resourceVersion: '7' }, spec: {} };

describe('cordon', () => {
  it('writes cordon, owner and reason in one patch, guarded by the version that was read', async () => {
    const api = await withNode(free, done);
    expect(await api.cluster.cordon('node-a', 'run-1', 'kernel update', never)).toEqual({ kind: 'cordoned' });
    const [patch, ...others] = patchesOf(api);
    expect(others).toEqual([]);
    expect(patch?.headers['content-type']).toBe('application/merge-patch+json');
    expect(patch?.body).toEqual({
      metadata: {
        resourceVersion: '7',
        annotations: { 'pitcrew.dev/cordoned-by': 'run-1', 'pitcrew.dev/cordon-reason': 'kernel update' },
      },
      spec: { unschedulable: true },
    });
  });

  it('reads again when somebody wrote in between', async () => {
    const api = await withNode(free, (_seen, time) => (time < 3 ? conflict : done()));
    expect(await api.cluster.cordon('node-a', 'run-1', 'kernel update', never)).toEqual({ kind: 'cordoned' });
    expect(patchesOf(api)).toHaveLength(3);
  });

  it('gives up after a few conflicts, and says that it may be tried again', async () => {
    const api = await withNode(free, () => conflict);
    await expect(api.cluster.cordon('node-a', 'run-1', 'kernel update', never)).rejects.toMatchObject({
      code: 'cluster/conflict',
      disposition: 'retry',
    });
    const count = patchesOf(api).length;
    expect(count).toBeGreaterThan(1);
    expect(count).toBeLessThan(20);
  });

  it('a node whose name needs encoding is asked for under that name', async () => {
    const api = await withNode(free, done);
    await api.cluster.readNode('a/../b', never);
    expect(api.seen.some((seen) => seen.path === '/api/v1/nodes/a%2F..%2Fb')).toBe(true);
  });
});

describe('uncordon', () => {
  const annotations = { 'pitcrew.dev/cordoned-by': 'run-1', 'pitcrew.dev/cordon-reason': 'x', other: 'stays' };

  it('takes the owner away with the cordon, in one patch', async () => {
    const node = { ...free, metadata: { ...free.metadata, annotations }, spec: { unschedulable: true } };
    const api = await withNode(node, done);
    expect(await api.cluster.uncordon('node-a', 'run-1', never)).toBe('uncordoned');
    expect(patchesOf(api).map((patch) => patch.body)).toEqual([
      {
        metadata: {
          resourceVersion: '7',
          annotations: { 'pitcrew.dev/cordoned-by': null, 'pitcrew.dev/cordon-reason': null },
        },
        spec: { unschedulable: null },
      },
    ]);
  });

  it('writes nothing on a node that is cordoned by somebody else', async () => {
    const api = await withNode({ ...free, spec: { unschedulable: true } }, done);
    expect(await api.cluster.uncordon('node-a', 'run-1', never)).toBe('notOurs');
    expect(patchesOf(api)).toEqual([]);
  });

  it('leaves no name of ours behind where somebody else lifted our cordon', async () => {
    const api = await withNode({ ...free, metadata: { ...free.metadata, annotations } }, done);
    expect(await api.cluster.uncordon('node-a', 'run-1', never)).toBe('notCordoned');
    expect(patchesOf(api)).toHaveLength(1);
  });
});

describe('conditions', () => {
  const before = {
    type: 'DrainInProgress',
    status: 'True',
    reason: 'Run',
    message: 'run-1',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const node = { ...free, status: { conditions: [before] } };

  it('keep their time of transition while the status stays', async () => {
    const api = await withNode(node, done);
    const update = { type: 'DrainInProgress', status: true, reason: 'Run', message: '3 pods left' } as const;
    await api.cluster.setConditions('node-a', [update], never);
    const [patch] = patchesOf(api);
    expect(patch?.path).toBe('/api/v1/nodes/node-a/status');
    expect(patch?.headers['content-type']).toBe('application/strategic-merge-patch+json');
    expect(patch?.body).toMatchObject({
      status: {
        conditions: [{ type: 'DrainInProgress', status: 'True', lastTransitionTime: before.lastTransitionTime }],
      },
    });
  });

  it('get a new time of transition when the status flips', async () => {
    const api = await withNode(node, done);
    const update = { type: 'DrainInProgress', status: false, reason: 'Run', message: 'run-1' } as const;
    await api.cluster.setConditions('node-a', [update], never);
    const [patch] = patchesOf(api);
    expect(patch?.body).toMatchObject({ status: { conditions: [{ status: 'False' }] } });
    expect(JSON.stringify(patch?.body)).not.toContain(before.lastTransitionTime);
  });

  it('that are as they should be are not written again', async () => {
    const api = await withNode(node, done);
    const update = { type: 'DrainInProgress', status: true, reason: 'Run', message: 'run-1' } as const;
    await api.cluster.setConditions('node-a', [update], never);
    expect(patchesOf(api)).toEqual([]);
  });
});
