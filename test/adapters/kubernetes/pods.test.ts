import { afterEach, describe, expect, it } from 'vitest';
import { never, refusal, scriptedApi, type Reply, type ScriptedApi, type Seen } from './scripted-api.ts';

const opened: ScriptedApi[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((api) => api.stop()));
});

const ref = { namespace: 'shop', name: 'web-1', uid: 'uid-1' };
const path = '/api/v1/namespaces/shop/pods/web-1';

function pod(metadata: object): Reply {
  return { status: 200, body: { metadata: { namespace: 'shop', name: 'web-1', uid: 'uid-1', ...metadata } } };
}

async function withPod(read: Reply, onWrite: (seen: Seen, time: number) => Reply): Promise<ScriptedApi> {
  let writes = 0;
  const api = await scriptedApi((seen) => {
    if (!seen.path.startsWith(path)) return undefined;
    return seen.method === 'GET' ? read : onWrite(seen, (writes += 1));
  });
  opened.push(api);
  return api;
}

function writesOf(api: ScriptedApi): Seen[] {
  return api.seen.filter((seen) => seen.method !== 'GET');
}

const taken = (): Reply => ({ status: 201, body: { status: 'Success' } });

describe('evict', () => {
  it('names the uid, so that a replacement is never evicted', async () => {
    const api = await withPod(pod({}), taken);
    expect(await api.cluster.evict(ref, never)).toEqual({ kind: 'accepted' });
    expect(writesOf(api).map(({ path, body }) => ({ path, body }))).toEqual([
      {
        path: `${path}/eviction`,
        body: {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name: 'web-1', namespace: 'shop' },
          deleteOptions: { preconditions: { uid: 'uid-1' } },
        },
      },
    ]);
  });

  it('asks for no eviction of another uid: a refused one is charged to the budget all the same', async () => {
    const api = await withPod(pod({ uid: 'uid-2' }), taken);
    expect(await api.cluster.evict(ref, never)).toEqual({ kind: 'gone' });
    expect(writesOf(api)).toEqual([]);
  });

  it('asks for no eviction of a pod that is leaving already', async () => {
    const api = await withPod(pod({ deletionTimestamp: '2026-11-22T08:56:32Z' }), taken);
    expect(await api.cluster.evict(ref, never)).toEqual({ kind: 'accepted' });
    expect(writesOf(api)).toEqual([]);
  });
});

describe('release from the ReplicaSet', () => {
  const labels = { app: 'web', 'pod-template-hash': '5b86b64c6f' };

  it('changes the label of exactly this pod, from exactly the value that was read', async () => {
    const api = await withPod(pod({ labels }), taken);
    expect(await api.cluster.setReleased(ref, true, never)).toBe('changed');
    const [patch] = writesOf(api);
    expect(patch?.headers['content-type']).toBe('application/json-patch+json');
    expect(patch?.body).toEqual([
      { op: 'test', path: '/metadata/uid', value: 'uid-1' },
      { op: 'test', path: '/metadata/labels/pod-template-hash', value: '5b86b64c6f' },
      { op: 'replace', path: '/metadata/labels/pod-template-hash', value: '5b86b64c6f-released' },
    ]);
  });

  it('puts the very same value back', async () => {
    const api = await withPod(pod({ labels: { 'pod-template-hash': '5b86b64c6f-released' } }), taken);
    expect(await api.cluster.setReleased(ref, false, never)).toBe('changed');
    expect(writesOf(api)[0]?.body).toContainEqual({
      op: 'replace',
      path: '/metadata/labels/pod-template-hash',
      value: '5b86b64c6f',
    });
  });

  it('reads again when a test of the patch fails', async () => {
    const invalid = refusal(422, 'the server rejected our request due to an error in our request', 'Invalid', {});
    const api = await withPod(pod({ labels }), (_seen, time) => (time === 1 ? invalid : taken()));
    expect(await api.cluster.setReleased(ref, true, never)).toBe('changed');
    expect(writesOf(api)).toHaveLength(2);
  });

  it('is refused for a pod that has no such label', async () => {
    const api = await withPod(pod({ labels: { app: 'db' } }), taken);
    await expect(api.cluster.setReleased(ref, true, never)).rejects.toMatchObject({
      code: 'cluster/refused',
      disposition: 'halt',
    });
  });
});

function attachment(name: string, nodeName: string, attached: boolean) {
  return { metadata: { name }, spec: { nodeName }, status: { attached } };
}

it('volumes count as attached to the node that says so, on every page', async () => {
  const api = await scriptedApi((seen) => {
    if (seen.path !== '/apis/storage.k8s.io/v1/volumeattachments') return undefined;
    return seen.query.has('continue')
      ? { status: 200, body: { metadata: {}, items: [attachment('csi-1', 'node-a', true)] } }
      : {
          status: 200,
          body: {
            metadata: { continue: 'more' },
            items: [
              attachment('csi-9', 'node-a', true),
              attachment('csi-2', 'node-b', true),
              attachment('csi-3', 'node-a', false),
            ],
          },
        };
  });
  opened.push(api);
  expect(await api.cluster.attachedVolumes('node-a', never)).toEqual(['csi-1', 'csi-9']);
});

it('an Event that cannot be written stops nothing, and is logged', async () => {
  const api = await scriptedApi((seen) =>
    seen.method === 'POST' ? refusal(403, 'events.events.k8s.io is forbidden', 'Forbidden') : undefined,
  );
  opened.push(api);
  await api.cluster.announce('node-a', 'MaintenanceStarted', 'run-1', never);
  expect(api.log.some((line) => line.includes('event on the node could not be written'))).toBe(true);
});
