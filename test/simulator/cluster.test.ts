import { describe, expect, test } from 'vitest';
import type { PodView } from '../../src/cluster/pod.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { ClusterView } from '../../src/ports/cluster.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { pitcrewUser } from '../../src/simulator/kubernetes/access.ts';
import { servers, testWorld, type TestWorld } from './kubernetes/worlds.ts';

const { signal } = new AbortController();
const web = { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 3, budget: { minAvailable: 2 } } as const;
const merge = 'application/merge-patch+json';

function both(): { world: TestWorld; cluster: SimulatedCluster } {
  const world = testWorld({ servers: servers(3), workloads: [web] });
  return { world, cluster: new SimulatedCluster(world.api) };
}

function first(view: ClusterView): PodView {
  const [pod] = view.pods;
  if (!pod) throw new Error('a pod was expected');
  return pod;
}

describe('the view', () => {
  test('is the same object until something in it changes, and what did not change is shared', async () => {
    const { world, cluster } = both();
    const before = await cluster.view(signal);
    expect(await cluster.view(signal)).toBe(before);
    expect([before.nodes.length, before.pods.length, before.budgets.length]).toEqual([3, 3, 1]);
    world.ask('PATCH', '/api/v1/nodes/n1', { metadata: { labels: { a: 'b' } } }, merge);
    const after = await cluster.view(signal);
    expect(after).not.toBe(before);
    expect(after.nodes[0]?.labels['a']).toBe('b');
    expect(after.nodes[1]).toBe(before.nodes[1]);
  });

  test('listeners are told once for all changes of a moment, and no more after they left', async () => {
    const { world, cluster } = both();
    let told = 0;
    const leave = cluster.onChange(() => (told += 1));
    for (const name of ['n1', 'n2'])
      world.ask('PATCH', `/api/v1/nodes/${name}`, { metadata: { labels: { a: 'b' } } }, merge);
    await Promise.resolve();
    expect(told).toBe(1);
    leave();
    world.ask('PATCH', '/api/v1/nodes/n3', { metadata: { labels: { a: 'b' } } }, merge);
    await Promise.resolve();
    expect(told).toBe(1);
  });
});

describe('cordons', () => {
  test('carry the run, are taken once, and only the same run lifts them', async () => {
    const { world, cluster } = both();
    expect(await cluster.cordon('n1', 'run-1', 'kernel', signal)).toEqual({ kind: 'cordoned' });
    expect(await cluster.cordon('n1', 'run-1', 'kernel', signal)).toEqual({ kind: 'alreadyOurs' });
    expect(await cluster.cordon('n1', 'run-2', 'kernel', signal)).toEqual({ kind: 'foreign', by: 'run-1' });
    expect((await cluster.readNode('n1', signal))?.cordon).toEqual({ kind: 'ours', runId: 'run-1', reason: 'kernel' });
    expect(await cluster.uncordon('n1', 'run-2', signal)).toBe('notOurs');
    expect(await cluster.uncordon('n1', 'run-1', signal)).toBe('uncordoned');
    expect(await cluster.uncordon('n1', 'run-1', signal)).toBe('notCordoned');
    expect(world.cordons.of('n1').map(({ kind, by }) => `${kind} ${by}`)).toEqual([
      'cordoned run-1',
      'uncordoned run-1',
    ]);
    expect(world.api.store.get(kinds.nodes, undefined, 'n1')?.metadata.annotations).not.toHaveProperty([
      'pitcrew.dev/cordoned-by',
    ]);
  });

  test('somebody else’s cordon is left as it is', async () => {
    const { world, cluster } = both();
    world.ask('PATCH', '/api/v1/nodes/n1', { spec: { unschedulable: true } }, merge);
    expect(await cluster.cordon('n1', 'run-1', 'kernel', signal)).toEqual({ kind: 'foreign', by: 'unknown' });
    expect(await cluster.uncordon('n1', 'run-1', signal)).toBe('notOurs');
    expect((await cluster.readNode('n1', signal))?.cordon.kind).toBe('foreign');
  });

  test('a node that does not exist is an error for a person, not for a retry', async () => {
    const { cluster } = both();
    expect(await cluster.readNode('n9', signal)).toBeUndefined();
    await expect(cluster.cordon('n9', 'run-1', '', signal)).rejects.toMatchObject({
      code: 'cluster/not-found',
      disposition: 'halt',
    });
  });
});

describe('evictions', () => {
  test('are accepted, refused by the named budget, or about a pod that is gone', async () => {
    const { world, cluster } = both();
    const [one, two] = (await cluster.view(signal)).pods;
    if (!one || !two) throw new Error('two pods were expected');
    expect(await cluster.evict(one, signal)).toEqual({ kind: 'accepted' });
    expect(await cluster.evict(two, signal)).toMatchObject({ kind: 'budget', budget: 'web' });
    await world.pass(10_000);
    expect(await cluster.evict(one, signal)).toEqual({ kind: 'gone' });
    expect(await cluster.evict({ ...two, uid: 'another' }, signal)).toEqual({ kind: 'gone' });
    // Nothing was charged for the wrong uid, or this one would be refused.
    expect(await cluster.evict(two, signal)).toEqual({ kind: 'accepted' });
  });

  test('two budgets on one pod are a blocker', async () => {
    const { world, cluster } = both();
    const spec = { minAvailable: 0, selector: { matchLabels: { app: 'web' } } };
    world.ask('POST', '/apis/policy/v1/namespaces/shop/poddisruptionbudgets', { metadata: { name: 'two' }, spec });
    expect(await cluster.evict(first(await cluster.view(signal)), signal)).toMatchObject({ kind: 'blocked' });
  });
});

describe('what else the port promises', () => {
  test('a released pod is replaced, its workload is still known, and it goes back', async () => {
    const { world, cluster } = both();
    const pod = first(await cluster.view(signal));
    const before = await cluster.workloadOf(pod, signal);
    expect(before).toMatchObject({ wanted: 3, recreates: false });
    expect(await cluster.setReleased(pod, true, signal)).toBe('changed');
    expect(await cluster.setReleased(pod, true, signal)).toBe('unchanged');
    await world.pass(10_000);
    expect((await cluster.view(signal)).pods).toHaveLength(4);
    const released = await cluster.readPod(pod, signal);
    expect(released?.owner).toBeUndefined();
    expect(released && (await cluster.workloadOf(released, signal))).toEqual(before);
    expect(await cluster.setReleased(pod, false, signal)).toBe('changed');
    await world.pass(10_000);
    expect((await cluster.view(signal)).pods).toHaveLength(3);
    expect(await cluster.setReleased({ ...pod, uid: 'another' }, true, signal)).toBe('gone');
  });

  test('conditions are merged beside those of the kubelet, and their time moves only with their status', async () => {
    const { world, cluster } = both();
    const set = (status: boolean, message: string): Promise<void> =>
      cluster.setConditions('n1', [{ type: 'Drained', status, reason: 'Run', message }], signal);
    const drained = (): unknown =>
      world.api.store.get(kinds.nodes, undefined, 'n1')?.status.conditions?.find(({ type }) => type === 'Drained')
        ?.lastTransitionTime;
    await set(true, 'a');
    const since = drained();
    await world.pass(60_000);
    await set(true, 'b');
    expect(drained()).toBe(since);
    await set(false, 'b');
    expect(drained()).not.toBe(since);
    expect((await cluster.readNode('n1', signal))?.ready).toBe(true);
  });

  test('a node lease is held by one, renewed by it, taken over when it ran out, and given back by its holder alone', async () => {
    const { world, cluster } = both();
    expect(await cluster.holdNodeLease('n1', 'a', 60, signal)).toBe('held');
    expect(await cluster.holdNodeLease('n1', 'a', 60, signal)).toBe('held');
    expect(await cluster.holdNodeLease('n1', 'b', 60, signal)).toEqual({ by: 'a' });
    await cluster.releaseNodeLease('n1', 'b', signal);
    expect(await cluster.holdNodeLease('n1', 'b', 60, signal)).toEqual({ by: 'a' });
    await world.pass(61_000);
    expect(await cluster.holdNodeLease('n1', 'b', 60, signal)).toBe('held');
    await cluster.releaseNodeLease('n1', 'b', signal);
    expect(await cluster.holdNodeLease('n1', 'a', 60, signal)).toBe('held');
  });

  test('attached volumes are told by node, and events are kept', async () => {
    const database = { kind: 'statefulSet', name: 'db', replicas: 1, volumeSize: '1Gi' } as const;
    const world = testWorld({ servers: servers(2), workloads: [database] });
    const cluster = new SimulatedCluster(world.api);
    const { node } = first(await cluster.view(signal));
    expect(await cluster.attachedVolumes(node, signal)).toHaveLength(1);
    expect(await cluster.attachedVolumes(node === 'n1' ? 'n2' : 'n1', signal)).toEqual([]);
    await cluster.announce('n1', 'Cordoned', 'for run-1', signal);
    expect(world.api.store.list(kinds.events)).toMatchObject([{ note: 'for run-1', regarding: { name: 'n1' } }]);
  });

  test('missing rights are named, and calls without them are forbidden', async () => {
    const { world, cluster } = both();
    expect(await cluster.missingRights(signal)).toEqual([]);
    const kept = world.api.access.rulesOf(pitcrewUser).filter(({ resources }) => !resources.includes('pods/eviction'));
    world.api.access.grant(pitcrewUser, kept);
    expect(await cluster.missingRights(signal)).toEqual([
      { verb: 'create', group: '', resource: 'pods', subresource: 'eviction' },
    ]);
    await expect(cluster.evict(first(await cluster.view(signal)), signal)).rejects.toMatchObject({
      code: 'cluster/forbidden',
    });
  });
});

describe('faults', () => {
  const attempts = 200;

  async function outcomes(
    rate: number,
    answerLostRate: number,
  ): Promise<{ codes: Set<string>; effects: number; done: number }> {
    const { world } = both();
    const faults = { random: new SeededRandom(3), rate, answerLostRate };
    const cluster = new SimulatedCluster(world.api, { faults });
    const codes = new Set<string>();
    let done = 0;
    const before = world.api.store.list(kinds.events).length;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      try {
        await cluster.announce('n1', 'Note', 'x', signal);
        done += 1;
      } catch (error) {
        if (!(error instanceof MaintenanceError)) throw error;
        codes.add(error.code);
      }
    }
    expect(cluster.faults?.injected).toBe(attempts - done);
    return { codes, effects: world.api.store.list(kinds.events).length - before, done };
  }

  test('a call that fails by chance has had no effect', async () => {
    const { codes, effects, done } = await outcomes(0.3, 0);
    expect([...codes].sort()).toEqual(['cluster/conflict', 'cluster/throttled', 'cluster/unreachable']);
    expect(done).toBeLessThan(attempts);
    expect(effects).toBe(done);
  });

  test('a lost answer has had its effect', async () => {
    const { codes, effects, done } = await outcomes(0, 0.3);
    expect([...codes]).toEqual(['cluster/unreachable']);
    expect(done).toBeLessThan(attempts);
    expect(effects).toBe(attempts);
  });

  test('an aborted call does nothing', async () => {
    const { world, cluster } = both();
    const before = world.api.store.revision;
    await expect(cluster.cordon('n1', 'run-1', '', AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
    expect(world.api.store.revision).toBe(before);
  });
});
