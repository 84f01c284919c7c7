import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNode, parsePod } from '../../../src/cluster/parse.ts';
import { Fit } from '../../../src/planner/fit.ts';
import { kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import { testWorld, type TestWorld } from './worlds.ts';

const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const zoneKey = 'topology.kubernetes.io/zone';
const hostKey = 'kubernetes.io/hostname';
const path = '/api/v1/namespaces/default/pods';

interface Drawn {
  readonly app: 'a' | 'b';
  readonly memoryGib: number;
  readonly apartBy?: string | undefined;
  readonly togetherBy?: string | undefined;
  readonly spreadBy?: string | undefined;
  readonly zone?: string | undefined;
  readonly port: boolean;
}

function podBody(name: string, drawn: Drawn, nodeName?: string): Record<string, unknown> {
  const { app, memoryGib, apartBy, togetherBy, spreadBy, zone, port } = drawn;
  const labelSelector = { matchLabels: { app: 'a' } };
  const terms = (topologyKey: string | undefined) =>
    topologyKey === undefined ? {} : { [required]: [{ topologyKey, labelSelector }] };
  const spread = { topologyKey: spreadBy, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector };
  return {
    metadata: { name, namespace: 'default', labels: { app } },
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      containers: [
        {
          name: 'main',
          image: 'registry.local/x:1',
          resources: { requests: { memory: `${memoryGib}Gi` } },
          ...(port && { ports: [{ containerPort: 80, hostPort: 80 }] }),
        },
      ],
      affinity: { podAntiAffinity: terms(apartBy), podAffinity: terms(togetherBy) },
      ...(spreadBy !== undefined && { topologySpreadConstraints: [spread] }),
      ...(zone !== undefined && { nodeSelector: { [zoneKey]: zone } }),
    },
  };
}

const key = fc.option(fc.constantFrom(zoneKey, hostKey), { nil: undefined, freq: 2 });
const pod: fc.Arbitrary<Drawn> = fc.record({
  app: fc.constantFrom('a', 'b'),
  memoryGib: fc.integer({ min: 1, max: 3 }),
  apartBy: key,
  togetherBy: fc.option(fc.constantFrom(zoneKey, hostKey), { nil: undefined, freq: 1 }),
  spreadBy: key,
  zone: fc.option(fc.constantFrom('z1', 'z2'), { nil: undefined, freq: 1 }),
  port: fc.boolean(),
});

/** Four nodes, one of them cordoned, which the pod is taken to come from. */
function smallWorld(): TestWorld {
  const nodes = [
    { name: 'source', zone: 'z1' },
    { name: 'n1', zone: 'z1' },
    { name: 'n2', zone: 'z2' },
    { name: 'n3', zone: 'z2' },
  ];
  const world = testWorld({ servers: nodes.map((node) => ({ ...node, memory: '4Gi' })) });
  const merge = 'application/merge-patch+json';
  world.ask('PATCH', '/api/v1/nodes/source', { spec: { unschedulable: true } }, merge);
  return world;
}

async function isScheduled(world: TestWorld, drawn: Drawn): Promise<boolean> {
  expect(world.ask('POST', path, podBody('new', drawn)).status).toBe(201);
  await world.pass(1_000);
  return world.api.store.get(kinds.pods, 'default', 'new')?.spec.nodeName !== undefined;
}

describe('scheduler and capacity model', () => {
  test('agree on whether a pod finds a place, for any pods with any rules', async () => {
    let scheduled = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ pod, node: fc.constantFrom('n1', 'n2', 'n3') }), { maxLength: 6 }),
        pod,
        async (bound, fresh) => {
          const world = smallWorld();
          bound.forEach((one, index) => world.ask('POST', path, podBody(`p${index}`, one.pod, one.node)));
          await world.pass(1_000);
          const pods = world.api.store.list(kinds.pods).map(parsePod);
          const view = {
            nodes: world.api.store.list(kinds.nodes).map(parseNode),
            pods: [...pods, parsePod(podBody('new', fresh, 'source'))],
            claims: [],
            volumes: [],
            namespaces: [],
          };
          const foreseen = new Fit({ view, leaves: () => true, pending: new Map() }).empty('source');
          const isPlaced = await isScheduled(world, fresh);
          world.stop();
          if (isPlaced) scheduled += 1;
          else refused += 1;
          expect({ isPlaced, foreseen }).toMatchObject({ foreseen: { kind: isPlaced ? 'fits' : 'stuck' } });
        },
      ),
      { numRuns: 120, seed: 7 },
    );
    expect(Math.min(scheduled, refused)).toBeGreaterThan(20);
  });

  test('a pod that has to be together with another waits for it', async () => {
    const world = smallWorld();
    const plain: Drawn = { app: 'b', memoryGib: 1, port: false };
    expect(await isScheduled(world, { ...plain, togetherBy: hostKey })).toBe(false);
    world.ask('POST', path, podBody('first', { ...plain, app: 'a' }, 'n2'));
    world.ask('POST', path, podBody('second', { ...plain, app: 'a' }));
    await world.pass(1_000);
    expect(world.api.store.get(kinds.pods, 'default', 'new')?.spec.nodeName).toBeDefined();
    world.stop();
  });
});
