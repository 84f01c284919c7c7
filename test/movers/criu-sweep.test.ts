import { expect, it } from 'vitest';
import { CriuMover } from '../../src/movers/criu/criu-mover.ts';
import { bindingsKind, moveLabel, policiesKind } from '../../src/movers/criu/steering.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { adminUser } from '../../src/simulator/kubernetes/access.ts';
import { SimulatedObjects } from '../../src/simulator/objects.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';

const never = new AbortController().signal;

it('what is swept belongs to moves that are over; one that goes on, or that the journal does not know, is left alone', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 10, 22, 22));
  const world = createWorld({ servers: [{ name: 'a' }], clock, random: new SeededRandom(1) });
  const objects = new SimulatedObjects(world.api, { user: adminUser });
  const ids = ['over-1', 'over-1-back', 'going-on-1', 'of-others-1'];
  for (const id of ids) {
    const metadata = { name: id, labels: { [moveLabel]: 'true' } };
    const group = 'admissionregistration.k8s.io/v1';
    await objects.create(
      policiesKind,
      '',
      {
        apiVersion: group,
        kind: 'MutatingAdmissionPolicy',
        metadata,
        spec: {
          matchConstraints: {
            resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
          },
          reinvocationPolicy: 'Never',
          mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }],
        },
      },
      never,
    );
    await objects.create(
      bindingsKind,
      '',
      { apiVersion: group, kind: 'MutatingAdmissionPolicyBinding', metadata, spec: { policyName: id } },
      never,
    );
  }
  const mover = new CriuMover({
    cluster: new SimulatedCluster(world.api),
    objects,
    connections: {
      bmcOf: () => expect.unreachable('no server takes part'),
      shellOf: () => expect.unreachable('no server takes part'),
    },
    clock,
    servers: () => Promise.resolve([]),
  });
  const journal = new Map([
    ['over-1', 'over'],
    ['going-on-1', 'goingOn'],
  ] as const);
  const swept = await mover.sweep(() => Promise.resolve(journal), never);
  expect({ removed: swept.removed.toSorted(), unknown: swept.unknown }).toEqual({
    removed: ['over-1', 'over-1-back'],
    unknown: ['of-others-1'],
  });
  for (const kind of [policiesKind, bindingsKind]) {
    const left = await objects.list(kind, { labelSelector: moveLabel }, never);
    expect(left.map((object) => (object['metadata'] as { name: string }).name)).toEqual(['going-on-1', 'of-others-1']);
  }
});
