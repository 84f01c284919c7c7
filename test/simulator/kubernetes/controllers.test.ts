import { describe, expect, test } from 'vitest';
import { kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import {
  controllerOf,
  isPodReady,
  type NodeObject,
  type PodObject,
} from '../../../src/simulator/kubernetes/objects.ts';
import { buildWorkload } from '../../../src/simulator/workloads.ts';
import { servers, testWorld, type TestWorld } from './worlds.ts';

const merge = 'application/merge-patch+json';
const web = { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 3 } as const;

function nodeOf(world: TestWorld, name: string): NodeObject {
  const node = world.api.store.get(kinds.nodes, undefined, name);
  if (!node) throw new Error(`node ${name} was expected`);
  return node;
}

function podOf(world: TestWorld, namespace: string, name: string): PodObject {
  const pod = world.api.store.get(kinds.pods, namespace, name);
  if (!pod) throw new Error(`pod ${namespace}/${name} was expected`);
  return pod;
}

function placesOf(pods: readonly PodObject[]): string[] {
  return pods.map((pod) => pod.spec.nodeName ?? '').sort();
}

const readyStatusOf = (node: NodeObject): string | undefined =>
  node.status.conditions?.find((condition) => condition.type === 'Ready')?.status;
const taintsOf = (node: NodeObject): string[] => (node.spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);

function cordon(world: TestWorld, node: string, isCordoned = true): void {
  world.ask('PATCH', `/api/v1/nodes/${node}`, { spec: { unschedulable: isCordoned ? true : null } }, merge);
}

function evict(world: TestWorld, pod: PodObject): void {
  const { namespace, name } = pod.metadata;
  const { status } = world.ask('POST', `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, {});
  if (status !== 201) throw new Error(`the eviction was refused: ${status}`);
}

/** One maintenance of one node, as a log of everything that was stored. */
async function story(seed: number): Promise<string[]> {
  const world = testWorld({ servers: servers(4), workloads: [{ ...web, budget: { maxUnavailable: 1 } }], seed });
  const log: string[] = [];
  world.api.store.subscribe(({ type, kind, object, revision }) => {
    log.push(`${world.clock.nowMs()} ${revision} ${type} ${kind.resource} ${JSON.stringify(object)}`);
  });
  cordon(world, 'n1');
  for (const pod of world.pods('shop', 'web')) if (pod.spec.nodeName === 'n1') evict(world, pod);
  await world.pass(5_000);
  world.machines.get('n1')?.requestReboot();
  await world.pass(600_000);
  return log;
}

describe('a new world', () => {
  test('is at rest: nodes ready, pods spread and ready, and nothing sleeps', async () => {
    const world = testWorld({ servers: servers(3), workloads: [web, { kind: 'daemonSet', name: 'log' }] });
    expect(world.isAtRest()).toBe(true);
    expect(world.api.store.list(kinds.nodes).map(readyStatusOf)).toEqual(['True', 'True', 'True']);
    expect(world.api.store.list(kinds.nodes).flatMap(taintsOf)).toEqual([]);
    expect(placesOf(world.pods('shop', 'web'))).toEqual(['n1', 'n2', 'n3']);
    expect(placesOf(world.pods('default', 'log'))).toEqual(['n1', 'n2', 'n3']);
    expect(await world.clock.run(() => false)).toBe('idle');
  });

  test('refuses what is described twice, and pods on nodes that are not there', () => {
    const twice = { servers: [...servers(1), ...servers(1)] };
    expect(() => testWorld(twice)).toThrow('the world has server n1 twice');
    expect(() => testWorld({ servers: servers(1), workloads: [web, web] })).toThrow('Deployment shop/web twice');
    expect(() =>
      testWorld({
        servers: [
          { name: 'a', node: 'x' },
          { name: 'b', node: 'x' },
        ],
      }),
    ).toThrow('node x twice');
    const lost = { kind: 'pod', name: 'p', node: 'n9' } as const;
    expect(() => testWorld({ servers: servers(1), workloads: [lost] })).toThrow('no node n9');
  });

  test('the same seed makes the same world and the same events, another seed does not', async () => {
    const first = await story(7);
    expect(first.length).toBeGreaterThan(20);
    expect(await story(7)).toEqual(first);
    expect(await story(8)).not.toEqual(first);
  });
});

/** Where two replicas go when the first of two nodes has a taint of this effect. */
function placesBesideTaint(effect: string, more: object = {}): string[] {
  const first = { name: 'n1', taints: [{ key: 'k', effect }] };
  const world = testWorld({ servers: [first, { name: 'n2' }], workloads: [{ ...web, replicas: 2, ...more }] });
  return placesOf(world.pods('shop', 'web'));
}

describe('scheduling', () => {
  test('a cordoned node gets no pod, and pods that fit nowhere wait until there is room', async () => {
    const world = testWorld({ servers: servers(2), workloads: [{ ...web, replicas: 2 }] });
    cordon(world, 'n1');
    cordon(world, 'n2');
    const [pod] = world.pods('shop', 'web');
    if (pod) evict(world, pod);
    await world.pass(30_000);
    const waiting = world.pods('shop', 'web').filter(({ spec }) => spec.nodeName === undefined);
    expect(waiting).toHaveLength(1);
    expect(waiting[0]?.status.conditions).toMatchObject([
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' },
    ]);
    cordon(world, 'n2', false);
    await world.pass(10_000);
    expect(world.isAtRest()).toBe(true);
    expect(placesOf(world.pods('shop', 'web'))).toContain('n2');
  });

  test.each([
    ['CPU', { cpu: '9' }, { cpu: '16' }, 1],
    ['memory', { memory: '40Gi' }, { memory: '64Gi' }, 1],
    ['the number of pods', {}, { podsMax: 2 }, 2],
  ])('%s is never given out twice', (_what, wants, has, placedPerNode) => {
    const world = testWorld({ servers: servers(1, has), workloads: [{ ...web, ...wants }] });
    expect(placesOf(world.pods('shop', 'web')).filter((node) => node === 'n1')).toHaveLength(placedPerNode);
  });

  test('anti-affinity keeps pods apart, node selectors bind them', () => {
    const apart = testWorld({ servers: servers(2), workloads: [{ ...web, spreadOverNodes: true }] });
    expect(placesOf(apart.pods('shop', 'web'))).toEqual(['', 'n1', 'n2']);
    const nodeSelector = { 'topology.kubernetes.io/zone': 'z2' };
    const bound = testWorld({ servers: servers(3), workloads: [{ ...web, nodeSelector }] });
    expect(placesOf(bound.pods('shop', 'web'))).toEqual(['n2', 'n2', 'n2']);
  });

  test('NoSchedule keeps pods off unless they tolerate it, PreferNoSchedule only while there is another choice', () => {
    expect(placesBesideTaint('NoSchedule')).toEqual(['n2', 'n2']);
    expect(placesBesideTaint('NoSchedule', { tolerations: [{ key: 'k', operator: 'Exists' }] })).toEqual(['n1', 'n2']);
    expect(placesBesideTaint('PreferNoSchedule')).toEqual(['n2', 'n2']);
    expect(placesBesideTaint('PreferNoSchedule', { cpu: '9' })).toEqual(['n1', 'n2']);
  });
});

describe('replicas', () => {
  test('an evicted replica is replaced at once, under another name', async () => {
    const world = testWorld({ servers: servers(3), workloads: [web] });
    const [pod] = world.pods('shop', 'web');
    if (!pod) throw new Error('a pod was expected');
    evict(world, pod);
    await world.pass(200);
    expect(world.pods('shop', 'web')).toHaveLength(4);
    await world.pass(10_000);
    expect(world.pods('shop', 'web').map(({ metadata }) => metadata.name)).not.toContain(pod.metadata.name);
    expect(world.isAtRest()).toBe(true);
  });

  test('a pod whose hash label changes is let go, serves on and is replaced; with the label back, one of them goes', async () => {
    const world = testWorld({ servers: servers(3), workloads: [web] });
    const [pod] = world.pods('shop', 'web');
    const name = pod?.metadata.name ?? '';
    const hash = pod?.metadata.labels?.['pod-template-hash'] ?? '';
    const path = `/api/v1/namespaces/shop/pods/${name}`;
    world.ask('PATCH', path, { metadata: { labels: { 'pod-template-hash': `${hash}-released` } } }, merge);
    await world.pass(10_000);
    expect(world.pods('shop', 'web').filter(isPodReady)).toHaveLength(4);
    expect(controllerOf(podOf(world, 'shop', name))).toBeUndefined();
    world.ask('PATCH', path, { metadata: { labels: { 'pod-template-hash': hash } } }, merge);
    await world.pass(10_000);
    expect(world.pods('shop', 'web').filter(isPodReady)).toHaveLength(3);
  });

  test('a Deployment is scaled in both directions, and takes its pods along when it is deleted', async () => {
    const world = testWorld({ servers: servers(3), workloads: [web] });
    const path = '/apis/apps/v1/namespaces/shop/deployments/web';
    for (const replicas of [5, 2]) {
      world.ask('PATCH', path, { spec: { replicas } }, merge);
      await world.pass(10_000);
      expect(world.pods('shop', 'web')).toHaveLength(replicas);
      expect(world.ask('GET', path).body).toMatchObject({ status: { readyReplicas: replicas } });
    }
    world.ask('DELETE', path);
    await world.pass(10_000);
    expect(world.pods('shop', 'web')).toEqual([]);
  });
});

describe('StatefulSets', () => {
  const database = { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 2, volumeSize: '1Gi' } as const;

  test('a pod comes back under its name only when the old object is gone, with another uid and its volume', async () => {
    const world = testWorld({ servers: servers(3), workloads: [{ ...database, gracePeriodSeconds: 60 }] });
    const before = podOf(world, 'shop', 'db-1');
    cordon(world, before.spec.nodeName ?? '');
    evict(world, before);
    await world.pass(1_000);
    expect(podOf(world, 'shop', 'db-1').metadata.uid).toBe(before.metadata.uid);
    await world.pass(30_000);
    const after = podOf(world, 'shop', 'db-1');
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(after.spec.volumes).toEqual(before.spec.volumes);
    expect(after.spec.nodeName).not.toBe(before.spec.nodeName);
    expect(world.isAtRest()).toBe(true);
  });

  test('a volume is detached some time after its pod is gone, and attached elsewhere only then', async () => {
    const world = testWorld({ servers: servers(3), workloads: [{ ...database, replicas: 1 }] });
    const before = podOf(world, 'shop', 'db-0').spec.nodeName ?? '';
    const attachedTo = (): string[] =>
      world.api.store.list(kinds.volumeAttachments).map(({ spec }) => (spec as { nodeName: string }).nodeName);
    expect(attachedTo()).toEqual([before]);
    expect(nodeOf(world, before).status.volumesInUse).toHaveLength(1);
    const held: string[][] = [];
    world.api.store.subscribe(({ kind }) => {
      if (kind === kinds.volumeAttachments) held.push(attachedTo());
    });
    cordon(world, before);
    evict(world, podOf(world, 'shop', 'db-0'));
    await world.pass(30_000);
    expect(held.length).toBeGreaterThan(1);
    expect(held.every((nodes) => nodes.length <= 1)).toBe(true);
    expect(attachedTo()).toEqual([podOf(world, 'shop', 'db-0').spec.nodeName]);
    expect(attachedTo()).not.toEqual([before]);
    expect(nodeOf(world, before).status.volumesInUse).toBeUndefined();
    expect(world.isAtRest()).toBe(true);
  });
});

describe('DaemonSets', () => {
  test('run on cordoned nodes, too, and come straight back when evicted', async () => {
    const world = testWorld({ servers: servers(2), workloads: [{ kind: 'daemonSet', name: 'log' }] });
    cordon(world, 'n1');
    const [pod] = world.pods('default', 'log').filter(({ spec }) => spec.nodeName === 'n1');
    if (!pod) throw new Error('a daemon was expected');
    evict(world, pod);
    await world.pass(10_000);
    expect(placesOf(world.pods('default', 'log'))).toEqual(['n1', 'n2']);
    expect(world.isAtRest()).toBe(true);
  });
});

describe('nodes and kubelets', () => {
  test('a reboot shows in boot id, kernel and restarts; the pods stay the same objects', async () => {
    const world = testWorld({ servers: servers(2, { bootMs: 60_000 }), workloads: [{ ...web, replicas: 2 }] });
    const [before, pods] = [nodeOf(world, 'n1'), world.pods('shop', 'web')];
    const machine = world.machines.get('n1');
    machine?.installUpdatedKernel();
    machine?.requestReboot();
    await world.pass(25_000);
    expect(world.pods('shop', 'web').filter(isPodReady)).toHaveLength(1);
    expect(readyStatusOf(nodeOf(world, 'n1'))).toBe('True');
    await world.pass(30_000);
    expect(readyStatusOf(nodeOf(world, 'n1'))).toBe('Unknown');
    expect(taintsOf(nodeOf(world, 'n1'))).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ]);
    await world.pass(60_000);
    const after = nodeOf(world, 'n1');
    expect(readyStatusOf(after)).toBe('True');
    expect(taintsOf(after)).toEqual([]);
    expect(after.status.nodeInfo['bootID']).not.toBe(before.status.nodeInfo['bootID']);
    expect(after.status.nodeInfo['kernelVersion']).toBe(machine?.options.updatedKernel);
    expect(world.pods('shop', 'web').map(({ metadata }) => metadata.uid)).toEqual(
      pods.map(({ metadata }) => metadata.uid),
    );
    const restarts = world
      .pods('shop', 'web')
      .map((pod) => [pod.spec.nodeName, pod.status.containerStatuses?.[0]?.restartCount]);
    expect(new Map(restarts as [string, number][])).toEqual(
      new Map([
        ['n1', 1],
        ['n2', 0],
      ]),
    );
    expect(world.isAtRest()).toBe(true);
  });

  test('a node that is back within five minutes keeps its pods', async () => {
    const world = testWorld({ servers: servers(2), workloads: [{ ...web, replicas: 2 }] });
    const uids = (): string[] => world.pods('shop', 'web').map(({ metadata }) => metadata.uid);
    const before = uids();
    world.machines.get('n1')?.setPower('off');
    await world.pass(100_000);
    expect(readyStatusOf(nodeOf(world, 'n1'))).toBe('Unknown');
    world.machines.get('n1')?.setPower('on');
    await world.pass(600_000);
    expect(uids()).toEqual(before);
    expect(world.isAtRest()).toBe(true);
  });

  test('a node that stays away loses its pods after five minutes, its daemons never', async () => {
    const daemon = { kind: 'daemonSet', name: 'log', namespace: 'shop' } as const;
    const world = testWorld({ servers: servers(2), workloads: [{ ...web, replicas: 2 }, daemon] });
    world.machines.get('n1')?.setPower('off');
    await world.pass(300_000);
    const leaving = (): string[] =>
      world.api.store
        .list(kinds.pods)
        .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
        .map((pod) => pod.metadata.labels?.['app'] ?? '');
    expect(leaving()).toEqual([]);
    await world.pass(60_000);
    expect(leaving()).toEqual(['web']);
    expect(world.pods('shop', 'web').filter(isPodReady)).toHaveLength(2);
    world.machines.get('n1')?.setPower('on');
    await world.pass(300_000);
    expect(leaving()).toEqual([]);
    expect(world.isAtRest()).toBe(true);
  });

  test('a kubelet whose machine goes down again before it reported says nothing', async () => {
    const world = testWorld({ servers: servers(1, { bootMs: 60_000 }) });
    const machine = world.machines.get('n1');
    machine?.setPower('off');
    await world.pass(50_000);
    machine?.setPower('on');
    await world.pass(61_000);
    expect(machine?.system).toBe('up');
    machine?.setPower('off');
    await world.pass(30_000);
    expect(readyStatusOf(nodeOf(world, 'n1'))).toBe('Unknown');
  });

  test('a pod that is deleted on a node that is down goes only when the kubelet is back', async () => {
    const world = testWorld({ servers: servers(1), workloads: [{ kind: 'pod', name: 'bare', node: 'n1' }] });
    world.machines.get('n1')?.setPower('off');
    world.ask('DELETE', '/api/v1/namespaces/default/pods/bare');
    await world.pass(120_000);
    expect(podOf(world, 'default', 'bare').metadata.deletionTimestamp).toBeDefined();
    world.machines.get('n1')?.setPower('on');
    await world.pass(300_000);
    expect(world.api.store.get(kinds.pods, 'default', 'bare')).toBeUndefined();
  });

  test('a pod says itself how long it takes to be ready, and a finite one ends', async () => {
    const slow = { kind: 'pod', name: 'slow', node: 'n1', readyAfter: '30s' } as const;
    const job = { kind: 'pod', name: 'job', node: 'n1', completesAfter: '10m' } as const;
    const world = testWorld({ servers: servers(1) });
    for (const workload of [slow, job]) buildWorkload(world.api.registry, workload);
    await world.pass(20_000);
    expect(isPodReady(podOf(world, 'default', 'slow'))).toBe(false);
    expect(isPodReady(podOf(world, 'default', 'job'))).toBe(true);
    await world.pass(15_000);
    expect(isPodReady(podOf(world, 'default', 'slow'))).toBe(true);
    await world.pass(600_000);
    expect(podOf(world, 'default', 'job').status.phase).toBe('Succeeded');
  });

  test('a cordon shows as a taint, and who set it is kept in the history', async () => {
    const world = testWorld({ servers: servers(1) });
    const body = { metadata: { annotations: { 'pitcrew.dev/cordoned-by': 'run-1' } }, spec: { unschedulable: true } };
    world.ask('PATCH', '/api/v1/nodes/n1?fieldManager=pitcrew', body, merge);
    await world.pass(1_000);
    expect(taintsOf(nodeOf(world, 'n1'))).toEqual(['node.kubernetes.io/unschedulable:NoSchedule']);
    const lifted = { metadata: { annotations: { 'pitcrew.dev/cordoned-by': null } }, spec: { unschedulable: null } };
    world.ask('PATCH', '/api/v1/nodes/n1?fieldManager=pitcrew', lifted, merge);
    await world.pass(1_000);
    expect(taintsOf(nodeOf(world, 'n1'))).toEqual([]);
    expect(world.cordons.of('n1')).toMatchObject([
      { kind: 'cordoned', by: 'run-1' },
      { kind: 'uncordoned', by: 'run-1' },
    ]);
  });

  test('a namespace that is deleted is gone when its content is', async () => {
    const world = testWorld({ servers: servers(2), workloads: [web] });
    world.ask('DELETE', '/api/v1/namespaces/shop');
    await world.pass(500);
    expect(world.ask('GET', '/api/v1/namespaces/shop').body).toMatchObject({ status: { phase: 'Terminating' } });
    await world.pass(10_000);
    expect(world.ask('GET', '/api/v1/namespaces/shop').status).toBe(404);
    expect(world.api.store.inNamespace(kinds.pods, 'shop')).toEqual([]);
  });

  test('nothing moves any more in a world that was stopped', async () => {
    const world = testWorld({ servers: servers(2), workloads: [web] });
    for (const pod of world.pods('shop', 'web')) evict(world, pod);
    world.stop();
    const before = world.api.store.revision;
    await world.pass(600_000);
    expect(world.api.store.revision).toBe(before);
  });
});
