import { describe, expect, test } from 'vitest';
import { KubernetesApi } from '../../../src/simulator/kubernetes/api.ts';
import { adminUser, pitcrewUser, viewerUser } from '../../../src/simulator/kubernetes/access.ts';
import { defineKind, kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import type { ApiObject } from '../../../src/simulator/kubernetes/objects.ts';
import type { WatchEvent } from '../../../src/simulator/kubernetes/watch.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../../src/simulator/virtual-clock.ts';
import { servers, startMs, testWorld, type TestWorld } from './worlds.ts';

const merge = 'application/merge-patch+json';

function plainWorld(): TestWorld {
  return testWorld({ servers: servers(3) });
}

function itemsOf(answer: { body: unknown }): ApiObject[] {
  return (answer.body as { items: ApiObject[] }).items;
}

function namesOf(answer: { body: unknown }): string[] {
  return itemsOf(answer).map(({ metadata }) => metadata.name);
}

function watch(
  world: TestWorld,
  query: string,
  path = '/api/v1/nodes',
): { initial: readonly WatchEvent[]; later: WatchEvent[] } {
  const request = { user: adminUser, method: 'GET', path, query: new URLSearchParams(`watch=1&${query}`) };
  const answer = world.api.handle(request);
  if (answer.kind !== 'watch') throw new Error(`no watch: ${JSON.stringify(answer)}`);
  const later: WatchEvent[] = [];
  answer.subscribe((event) => later.push(event));
  return { initial: answer.initial, later };
}

const label = (world: TestWorld, node: string, value: string | null): void => {
  world.ask('PATCH', `/api/v1/nodes/${node}`, { metadata: { labels: { team: value } } }, merge);
};

describe('writes', () => {
  test('a patch that changes nothing makes no new version', () => {
    const world = plainWorld();
    label(world, 'n1', 'a');
    const before = world.api.store.revision;
    label(world, 'n1', 'a');
    expect(world.api.store.revision).toBe(before);
  });

  test('the status is written through its subresource alone, the spec never through it', () => {
    const world = plainWorld();
    const both = { spec: { unschedulable: true }, status: { phase: 'x', conditions: [] } };
    world.ask('PATCH', '/api/v1/nodes/n1', both, merge);
    const cordoned = world.api.store.get(kinds.nodes, undefined, 'n1');
    expect(cordoned?.spec.unschedulable).toBe(true);
    expect(cordoned?.status.conditions).toHaveLength(1);
    world.ask('PATCH', '/api/v1/nodes/n1/status', { spec: { unschedulable: null }, status: { conditions: [] } }, merge);
    const reported = world.api.store.get(kinds.nodes, undefined, 'n1');
    expect(reported?.spec.unschedulable).toBe(true);
    expect(reported?.status.conditions).toHaveLength(0);
  });

  test('identity and age of an object cannot be patched away', () => {
    const world = plainWorld();
    const before = world.api.store.get(kinds.nodes, undefined, 'n1')?.metadata;
    world.ask('PATCH', '/api/v1/nodes/n1', { metadata: { creationTimestamp: null, labels: { a: 'b' } } }, merge);
    const after = world.api.store.get(kinds.nodes, undefined, 'n1')?.metadata;
    expect(after).toMatchObject({ uid: before?.uid, creationTimestamp: before?.creationTimestamp });
    const other = { metadata: { uid: '00000000-0000-0000-0000-000000000000' } };
    expect(world.ask('PATCH', '/api/v1/nodes/n1', other, merge).status).toBe(409);
  });

  test('generation counts changes of the spec, not of anything else', () => {
    const world = testWorld({ servers: servers(2), workloads: [{ kind: 'deployment', name: 'web', replicas: 1 }] });
    const path = '/apis/apps/v1/namespaces/default/deployments/web';
    const generation = (): unknown => world.api.store.get(kinds.deployments, 'default', 'web')?.metadata.generation;
    world.ask('PATCH', path, { metadata: { labels: { a: 'b' } } }, merge);
    expect(generation()).toBe(1);
    world.ask('PATCH', path, { spec: { replicas: 2 } }, merge);
    expect(generation()).toBe(2);
  });

  test('an object with finalizers stays until the last one is taken off', () => {
    const world = plainWorld();
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    world.ask('POST', path, { metadata: { name: 'l', finalizers: ['a/b'] } });
    expect(world.ask('DELETE', `${path}/l`).status).toBe(200);
    expect(world.ask('GET', `${path}/l`).body).toHaveProperty('metadata.deletionTimestamp');
    world.ask('PATCH', `${path}/l`, { metadata: { finalizers: null } }, merge);
    expect(world.ask('GET', `${path}/l`).status).toBe(404);
  });

  test('a dry run answers like the real thing and stores nothing', () => {
    const world = plainWorld();
    const before = world.api.store.revision;
    const path = '/api/v1/nodes/n1?dryRun=All';
    expect(world.ask('PATCH', path, { spec: { unschedulable: true } }, merge).body).toHaveProperty(
      'spec.unschedulable',
    );
    expect(world.ask('POST', '/api/v1/nodes?dryRun=All', { metadata: { name: 'n9' } }).status).toBe(201);
    expect(world.ask('DELETE', path).status).toBe(200);
    expect(world.api.store.revision).toBe(before);
  });

  test.each([
    ['POST', '/api/v1/nodes', { metadata: {} }, 422],
    ['POST', '/api/v1/nodes', { kind: 'Pod', metadata: { name: 'x' } }, 400],
    ['POST', '/api/v1/namespaces/nowhere/pods', { metadata: { name: 'x' } }, 404],
    ['POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'x', namespace: 'other' } }, 400],
    ['POST', '/api/v1/nodes?fieldValidation=Strict', { metadata: { name: 'x' }, spec: { nonsense: 1 } }, 400],
    ['PUT', '/api/v1/nodes/n1', { metadata: { name: 'n2' } }, 400],
    ['PATCH', '/api/v1/nodes/n1', { spec: {} }, 415],
    ['PUT', '/api/v1/nodes', {}, 405],
    ['BREW', '/api/v1/nodes', {}, 405],
  ])('%s %s %j is refused with %d', (method, path, body, status) => {
    expect(plainWorld().ask(method, path, body, 'application/json').status).toBe(status);
  });
});

describe('lists', () => {
  test.each([
    ['labelSelector=team=a', ['n1']],
    ['labelSelector=team!=a', ['n2', 'n3']],
    ['labelSelector=team', ['n1', 'n2']],
    ['labelSelector=!team', ['n3']],
    ['labelSelector=team in (a,b)', ['n1', 'n2']],
    ['labelSelector=team notin (a)', ['n2', 'n3']],
    ['labelSelector=team in (a,b),topology.kubernetes.io/zone=z2', ['n2']],
    ['fieldSelector=metadata.name=n2', ['n2']],
    ['fieldSelector=spec.unschedulable=true', []],
  ])('%s selects %j', (query, names) => {
    const world = plainWorld();
    label(world, 'n1', 'a');
    label(world, 'n2', 'b');
    expect(namesOf(world.ask('GET', `/api/v1/nodes?${query}`))).toEqual(names);
  });

  test('a field that cannot be selected by is refused, not ignored', () => {
    expect(plainWorld().ask('GET', '/api/v1/nodes?fieldSelector=spec.podCIDR=x').status).toBe(400);
  });

  test('pages together are the whole list', () => {
    const world = plainWorld();
    const names: string[] = [];
    let pages = 0;
    for (let next: string | undefined = ''; next !== undefined; pages += 1) {
      const answer = world.ask('GET', `/api/v1/nodes?limit=2&continue=${next}`);
      names.push(...namesOf(answer));
      next = (answer.body as { metadata: { continue?: string } }).metadata.continue;
    }
    expect(names).toEqual(['n1', 'n2', 'n3']);
    expect(pages).toBe(2);
  });
});

describe('watches', () => {
  test('sendInitialEvents ends the list with a marked bookmark, where the storage serves it', () => {
    const { initial } = watch(plainWorld(), 'sendInitialEvents=true&allowWatchBookmarks=true');
    expect(initial.map(({ type }) => type)).toEqual(['ADDED', 'ADDED', 'ADDED', 'BOOKMARK']);
    expect(initial.at(-1)).toHaveProperty(['object', 'metadata', 'annotations', 'k8s.io/initial-events-end'], 'true');
  });

  test('an object that comes to match is added, one that no longer does is deleted', () => {
    const world = plainWorld();
    const { initial, later } = watch(world, 'labelSelector=team=a');
    expect(initial).toHaveLength(0);
    label(world, 'n1', 'a');
    world.ask('PATCH', '/api/v1/nodes/n1', { metadata: { labels: { other: 'x' } } }, merge);
    label(world, 'n1', 'b');
    label(world, 'n1', 'c');
    expect(later.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
  });

  test('a watch from a version sees exactly what came after it', () => {
    const world = plainWorld();
    const version = world.api.store.revision;
    label(world, 'n1', 'a');
    label(world, 'n2', 'a');
    const { initial, later } = watch(world, `resourceVersion=${version}`);
    expect(initial.map(({ object }) => (object as ApiObject).metadata.name)).toEqual(['n1', 'n2']);
    label(world, 'n3', 'a');
    expect(later).toHaveLength(1);
    const versions = [...initial, ...later].map(({ object }) => Number((object as ApiObject).metadata.resourceVersion));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
  });

  test('what the history no longer holds is 410, what does not exist yet is 504', () => {
    const world = testWorld({ servers: servers(1), api: { historyLength: 5 } });
    const version = world.api.store.revision;
    for (let turn = 0; turn < 12; turn += 1) label(world, 'n1', String(turn));
    expect(watch(world, `resourceVersion=${version}`).initial).toMatchObject([
      { type: 'ERROR', object: { code: 410 } },
    ]);
    const ahead = `resourceVersion=${world.api.store.revision + 1}`;
    expect(watch(world, ahead).initial).toMatchObject([{ type: 'ERROR', object: { code: 504 } }]);
  });
});

function can(world: TestWorld, user: string, verb: string, group: string, resource: string): boolean {
  return world.api.access.isAllowed(user, verb, group, resource);
}

describe('rights', () => {
  test('the orchestrator may evict and cordon, and may not delete pods or change Deployments', () => {
    const world = plainWorld();
    expect(can(world, pitcrewUser, 'create', '', 'pods/eviction')).toBe(true);
    expect(can(world, pitcrewUser, 'patch', '', 'nodes')).toBe(true);
    expect(can(world, pitcrewUser, 'delete', '', 'pods')).toBe(false);
    expect(can(world, pitcrewUser, 'patch', 'apps', 'deployments')).toBe(false);
    expect(can(world, viewerUser, 'list', '', 'pods')).toBe(true);
    expect(can(world, viewerUser, 'patch', '', 'nodes')).toBe(false);
  });

  test('a refusal names user, verb, resource and place', () => {
    const world = plainWorld();
    const path = '/api/v1/namespaces/default/pods/x/eviction';
    const answer = world.api.handle({ user: viewerUser, method: 'POST', path, body: {} });
    expect(answer).toMatchObject({
      status: 403,
      body: {
        message: `pods "x" is forbidden: User "${viewerUser}" cannot create resource "pods/eviction" in API group "" in the namespace "default"`,
      },
    });
  });
});

describe('kinds', () => {
  test('a custom kind is served as soon as it is in the table, without strategic merge', () => {
    const world = plainWorld();
    world.api.kinds.add(
      defineKind({
        group: 'kubevirt.io',
        resource: 'virtualmachineinstances',
        kind: 'VirtualMachineInstance',
        isCustom: true,
      }),
    );
    const path = '/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances';
    expect(world.ask('POST', path, { metadata: { name: 'vm' }, spec: {} }).status).toBe(201);
    const strategic = 'application/strategic-merge-patch+json';
    expect(world.ask('PATCH', `${path}/vm`, { spec: { a: 1 } }, strategic).status).toBe(415);
    expect(world.ask('PATCH', `${path}/vm`, { spec: { a: 1 } }, merge).status).toBe(200);
    expect(world.ask('GET', '/apis/kubevirt.io/v1').body).toHaveProperty('resources.0.name', 'virtualmachineinstances');
  });

  test('discovery names every group once, and each served kind under its version', () => {
    const api = new KubernetesApi(new VirtualClock(startMs), new SeededRandom(1));
    const get = (path: string): unknown =>
      (api.handle({ user: viewerUser, method: 'GET', path }) as { body: unknown }).body;
    const { groups } = get('/apis') as { groups: { name: string; preferredVersion: { groupVersion: string } }[] };
    const names = groups.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const paths = ['/api/v1', ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`)];
    const served = paths.flatMap((path) => (get(path) as { resources: { name: string }[] }).resources);
    for (const { resource } of Object.values(kinds)) expect(served.map(({ name }) => name)).toContain(resource);
    expect(get('/version')).toMatchObject({ gitVersion: expect.stringMatching(/^v1\.\d+\.\d+$/) as string });
  });
});
