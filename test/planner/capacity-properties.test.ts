import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import { Capacity } from '../../src/planner/capacity.ts';
import { defaultEvacuation } from '../../src/spec/plan.ts';
import { admit, queuesOf } from '../../src/workflow/admission.ts';
import { apartFrom, fleetNode, fleetPod, fleetView, spreadOver } from './fleet.ts';

const zoneKey = 'topology.kubernetes.io/zone';

interface Drawn {
  readonly nodes: readonly { readonly zone: number; readonly memoryGib: number }[];
  readonly pods: readonly {
    readonly on: number;
    readonly app: number;
    readonly memoryGib: number;
    readonly rule: 'none' | 'apart' | 'spread';
  }[];
  readonly budget: number;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  nodes: fc.array(fc.record({ zone: fc.integer({ min: 0, max: 2 }), memoryGib: fc.integer({ min: 6, max: 20 }) }), {
    minLength: 2,
    maxLength: 8,
  }),
  pods: fc.array(
    fc.record({
      on: fc.nat(7),
      app: fc.nat(3),
      memoryGib: fc.integer({ min: 1, max: 5 }),
      rule: fc.constantFrom('none' as const, 'none' as const, 'apart' as const, 'spread' as const),
    }),
    { maxLength: 24 },
  ),
  budget: fc.integer({ min: 1, max: 8 }),
});

/** Pods are where they are: of the drawn ones those that the node has room for, and that keep apart. */
function fleetOf({ nodes: shapes, pods: wishes }: Drawn): { nodes: NodeView[]; pods: PodView[] } {
  const nodes = shapes.map(({ zone, memoryGib }, index) => fleetNode(`n${index}`, { zone: `z${zone}`, memoryGib }));
  const free = shapes.map(({ memoryGib }) => memoryGib);
  const apps = new Set<string>();
  const pods = wishes.flatMap(({ on, app, memoryGib, rule }, index) => {
    const node = on % nodes.length;
    const name = `app${app}-${rule}`;
    const isDouble = rule === 'apart' && apps.has(`${name} ${node}`);
    if ((free[node] ?? 0) < memoryGib || isDouble) return [];
    free[node] = (free[node] ?? 0) - memoryGib;
    apps.add(`${name} ${node}`);
    const spec =
      rule === 'apart' ? apartFrom(name) : rule === 'spread' ? spreadOver(zoneKey, name, { maxSkew: 2 }) : {};
    return [fleetPod(`${name}-${index}`, `n${node}`, { app: name, memoryGib, spec })];
  });
  return { nodes, pods };
}

function admitAll(nodes: readonly NodeView[], pods: readonly PodView[], budget: number) {
  const servers = nodes.map(({ name }) => ({ name, node: name, domain: '' }));
  const view = fleetView([...nodes], [...pods]);
  const capacity = new Capacity({ view, servers, ended: new Set(), evacuation: defaultEvacuation });
  const places = { maxUnavailable: budget, maxParallel: budget, held: new Map(), active: 0, down: new Set<string>() };
  const inOrder = [...servers].sort((a, b) => (a.name < b.name ? -1 : 1));
  const { admitted, refusal } = admit(queuesOf(inOrder), places, capacity.refuses);
  return { admitted, refusal, moves: admitted.flatMap((name) => capacity.moves.get(name) ?? []) };
}

describe('for any fleet', () => {
  it('budget and capacity are never exceeded, and everything that has to move has a place that it may have', () => {
    let moved = 0;
    let refused = 0;
    fc.assert(
      fc.property(drawn, (one) => {
        const { nodes, pods } = fleetOf(one);
        const { admitted, moves, refusal } = admitAll(nodes, pods, one.budget);
        moved += moves.length;
        if (refusal?.kind === 'capacity') refused += 1;
        expect(admitted.length).toBeLessThanOrEqual(one.budget);
        const out = new Set(admitted);
        const at = new Map(pods.map((pod) => [pod.uid, pod.node]));
        for (const { pod, to } of moves) at.set(pod.uid, to);
        expect(pods.filter((pod) => out.has(at.get(pod.uid) ?? ''))).toEqual([]);
        for (const { name, allocatable } of nodes) {
          const here = pods.filter((pod) => at.get(pod.uid) === name);
          const taken = here.reduce((sum, { requests }) => sum + requests.memoryBytes, 0);
          expect(taken).toBeLessThanOrEqual(allocatable.memoryBytes);
          const apart = here.filter(({ placement }) => placement.apart.length > 0).map(({ labels }) => labels['app']);
          expect(new Set(apart).size).toBe(apart.length);
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(moved, refused)).toBeGreaterThan(20);
  });

  it('nothing depends on the order in which nodes and pods come', () => {
    fc.assert(
      fc.property(drawn, fc.array(fc.nat(1_000), { minLength: 40, maxLength: 40 }), (one, shuffle) => {
        const { nodes, pods } = fleetOf(one);
        const mixed = <T>(items: readonly T[]): T[] =>
          items
            .map((item, index) => ({ item, at: shuffle[index % shuffle.length] ?? 0 }))
            .sort((a, b) => a.at - b.at)
            .map(({ item }) => item);
        expect(admitAll(mixed(nodes), mixed(pods), one.budget)).toEqual(admitAll(nodes, pods, one.budget));
      }),
      { numRuns: 150 },
    );
  });
});
