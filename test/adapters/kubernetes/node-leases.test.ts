import { afterEach, expect, it } from 'vitest';
import { never, refusal, scriptedApi, type Reply, type ScriptedApi, type Seen } from './scripted-api.ts';

const opened: ScriptedApi[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((api) => api.stop()));
});

const leases = '/apis/coordination.k8s.io/v1/namespaces/medik8s-leases/leases';
const namespaceMissing = refusal(404, 'namespaces "medik8s-leases" not found', 'NotFound', {
  name: 'medik8s-leases',
  kind: 'namespaces',
});

async function open(answer: (seen: Seen) => Reply | undefined): Promise<ScriptedApi> {
  const api = await scriptedApi((seen) =>
    seen.path === '/api/v1/nodes/node-a'
      ? { status: 200, body: { metadata: { name: 'node-a', uid: 'uid-a' } } }
      : answer(seen),
  );
  opened.push(api);
  return api;
}

it('the lease has the name and the owner that the Medik8s operators look for', async () => {
  const api = await open((seen) => (seen.method === 'POST' && seen.path === leases ? { status: 201 } : undefined));
  expect(await api.cluster.holdNodeLease('node-a', 'pitcrew', 3600, never)).toBe('held');
  const body = api.seen.find((seen) => seen.method === 'POST')?.body;
  expect(body).toMatchObject({
    metadata: {
      name: 'node-node-a',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node-a', uid: 'uid-a' }],
    },
    spec: { holderIdentity: 'pitcrew', leaseDurationSeconds: 3600, leaseTransitions: 0 },
  });
  expect(JSON.stringify(body)).toMatch(/"renewTime":"[-\d]{10}T[:\d]{8}\.\d{6}Z"/);
});

it('a missing namespace is created where that is allowed', async () => {
  let isThere = false;
  const api = await open((seen) => {
    if (seen.method !== 'POST') return undefined;
    if (seen.path === leases) return isThere ? { status: 201 } : namespaceMissing;
    isThere = seen.path === '/api/v1/namespaces';
    return { status: 201 };
  });
  expect(await api.cluster.holdNodeLease('node-a', 'pitcrew', 3600, never)).toBe('held');
  expect(isThere).toBe(true);
});

it('a missing namespace that may not be created is told, with the way to get it', async () => {
  const api = await open((seen) => {
    if (seen.method !== 'POST') return undefined;
    return seen.path === leases ? namespaceMissing : refusal(403, 'namespaces is forbidden', 'Forbidden');
  });
  await expect(api.cluster.holdNodeLease('node-a', 'pitcrew', 3600, never)).rejects.toMatchObject({
    code: 'cluster/forbidden',
    disposition: 'halt',
    message: expect.stringMatching(/medik8s-leases.*rbac\.yaml/) as string,
  });
});

it('a lease that was taken between reading and creating is looked at again', async () => {
  let reads = 0;
  const api = await open((seen) => {
    if (seen.method === 'POST') return refusal(409, 'already exists', 'AlreadyExists');
    if (!seen.path.startsWith(leases)) return undefined;
    reads += 1;
    const spec = {
      holderIdentity: 'node-maintenance',
      leaseDurationSeconds: 3600,
      renewTime: new Date().toISOString(),
    };
    return reads === 1
      ? refusal(404, 'not found', 'NotFound')
      : { status: 200, body: { metadata: { name: 'node-node-a', resourceVersion: '5' }, spec } };
  });
  expect(await api.cluster.holdNodeLease('node-a', 'pitcrew', 3600, never)).toEqual({ by: 'node-maintenance' });
});

it('a lease of somebody else is not given back by us', async () => {
  const api = await open((seen) =>
    seen.path.startsWith(leases)
      ? { status: 200, body: { metadata: { name: 'node-node-a' }, spec: { holderIdentity: 'node-maintenance' } } }
      : undefined,
  );
  await api.cluster.releaseNodeLease('node-a', 'pitcrew', never);
  expect(api.seen.some((seen) => seen.method === 'DELETE')).toBe(false);
});
