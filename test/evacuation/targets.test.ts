import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import { rankTargets, type Arriving } from '../../src/evacuation/targets.ts';
import { Fit } from '../../src/planner/fit.ts';
import { apartFrom, fleetNode, fleetPod, fleetView, spreadOver, togetherWith } from '../planner/fleet.ts';

const zoneKey = 'topology.kubernetes.io/zone';
const nobody: Arriving = new Map();

function targets(pod: PodView, nodes: NodeView[], pods: PodView[], arriving = nobody): string[] {
  return rankTargets(pod, fleetView(nodes, [pod, ...pods]), arriving).map(({ name }) => name);
}

const nodes = ['a', 'b', 'c', 'd'].map((name, index) => fleetNode(name, { zone: `z${index % 2}` }));

describe('a pod that goes where it is sent', () => {
  it('is never sent to one of those that it may not be with, whoever of them says so', () => {
    const asking = fleetPod('db-0', 'a', { app: 'db', spec: apartFrom('db') });
    expect(targets(asking, nodes, [fleetPod('db-1', 'b', { app: 'db' })])).toEqual(['c', 'd']);
    const silent = fleetPod('db-0', 'a', { app: 'db' });
    expect(targets(silent, nodes, [fleetPod('db-1', 'b', { app: 'db', spec: apartFrom('db') })])).toEqual(['c', 'd']);
  });

  it('nor to one that another of them is just being sent to', () => {
    const pod = fleetPod('db-0', 'a', { app: 'db', spec: apartFrom('db') });
    const other = fleetPod('db-1', 'a', { app: 'db', spec: apartFrom('db') });
    expect(targets(pod, nodes, [other], new Map([['c', [other]]]))).toEqual(['b', 'd']);
  });

  it('nor away from those that it has to be with', () => {
    const pod = fleetPod('web', 'a', { spec: togetherWith('cache', zoneKey) });
    expect(targets(pod, nodes, [fleetPod('cache', 'b', { app: 'cache' })])).toEqual(['d', 'b']);
  });

  it('nor where its spread would become too uneven; it counts itself where it still is', () => {
    const spec = spreadOver(zoneKey, 'web');
    const pod = fleetPod('web-0', 'a', { spec });
    expect(targets(pod, nodes, [fleetPod('web-1', 'b', { spec })])).toEqual(['c', 'd', 'b']);
    expect(targets(pod, nodes, [fleetPod('web-1', 'b', { spec }), fleetPod('web-2', 'd', { spec })])).toEqual(['c']);
  });

  it('nor where its host port, or what hardly any pod asks for, is taken', () => {
    const port = { containers: [{ ports: [{ hostPort: 80 }] }] };
    expect(targets(fleetPod('web', 'a', { spec: port }), nodes, [fleetPod('x', 'b', { spec: port })])).toEqual([
      'c',
      'd',
    ]);
    const withGpus = nodes.map(({ name }) => fleetNode(name, { gpus: name === 'd' ? 2 : 1 }));
    const pods = [fleetPod('x', 'c', { gpus: 1 }), fleetPod('y', 'd', { gpus: 1 })];
    expect(targets(fleetPod('ml', 'a', { gpus: 1 }), withGpus, pods)).toEqual(['b', 'd']);
  });

  it('goes to a server that the run has yet to come to only after all others, and last where room is kept', () => {
    const marked = (name: string, ...keys: string[]): NodeView =>
      fleetNode(name, { taints: keys.map((key) => ({ key: `pitcrew.dev/${key}`, effect: 'PreferNoSchedule' })) });
    const some = [
      fleetNode('a'),
      marked('b', 'maintenance-pending', 'keep-room'),
      marked('c', 'maintenance-pending'),
      fleetNode('d'),
    ];
    expect(targets(fleetPod('web', 'a'), some, [fleetPod('big', 'd', { memoryGib: 10 })])).toEqual(['d', 'c', 'b']);
  });
});

describe('for any fleet', () => {
  const rules = [
    {},
    apartFrom('x'),
    apartFrom('x', zoneKey),
    togetherWith('y', zoneKey),
    spreadOver(zoneKey, 'x'),
    spreadOver('kubernetes.io/hostname', 'y', { maxSkew: 2 }),
    { containers: [{ ports: [{ hostPort: 80 }], resources: { requests: { memory: '1Gi' } } }] },
  ];
  const drawn = fc.array(
    fc.record({
      on: fc.nat(3),
      app: fc.constantFrom('x', 'y'),
      rule: fc.nat(rules.length - 1),
      gib: fc.integer({ min: 1, max: 6 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it('the targets of a pod are the nodes on which the model of room would have it, neither more nor fewer', () => {
    let [some, none] = [0, 0];
    fc.assert(
      fc.property(drawn, (wishes) => {
        const pods = wishes.map(({ on, app, rule, gib }, index) =>
          fleetPod(`p${index}`, nodes[on]?.name ?? '', { app, memoryGib: gib, spec: rules[rule] ?? {} }),
        );
        const view = fleetView(nodes, pods);
        const fit = new Fit({ view, leaves: () => false, pending: new Map() });
        for (const pod of pods) {
          const ranked = rankTargets(pod, view, nobody).map(({ name }) => name);
          const possible = nodes.filter(({ name }) => name !== pod.node && fit.couldRun(pod, name, false));
          expect(ranked.toSorted()).toEqual(possible.map(({ name }) => name));
          if (possible.length === nodes.length - 1) some += 1;
          else none += 1;
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(some, none)).toBeGreaterThan(100);
  });
});
