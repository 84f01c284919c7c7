import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { ClaimView } from '../../src/cluster/storage.ts';
import type { ClusterView } from '../../src/cluster/view.ts';
import { Capacity, type CapacityInput } from '../../src/planner/capacity.ts';
import { differences } from '../../src/planner/fit-pieces.ts';
import { defaultEvacuation } from '../../src/spec/plan.ts';
import { apartFrom, fleetNode, fleetPod, fleetView, spreadOver, togetherWith } from './fleet.ts';

const zoneKey = 'topology.kubernetes.io/zone';
const names = ['a', 'b', 'c', 'd', 'e'];
const servers = names.map((name, index) => ({ name, node: name, keepsRoom: index < 2 }));
const claims: readonly ClaimView[] = ['data', 'more'].map((name) => ({
  namespace: 'shop',
  name,
  volume: `pv-${name}`,
  isOnOneNode: true,
}));
const ground = { claims, volumes: [], namespaces: [] };

/** What pods are made of: the rules that the model knows. */
const templates = [
  {},
  { memoryGib: 3 },
  { app: 'db', spec: apartFrom('db') },
  { app: 'even', spec: spreadOver(zoneKey, 'even', { maxSkew: 2 }) },
  { app: 'strict', spec: spreadOver(zoneKey, 'strict', { nodeTaintsPolicy: 'Honor' }) },
  { app: 'near', spec: togetherWith('db', zoneKey) },
  { app: 'disk', spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] } },
  { app: 'port', spec: { containers: [{ ports: [{ hostPort: 80 }] }] } },
  { app: 'urgent', spec: { priority: 1_000 } },
];

type Change =
  | {
      readonly kind: 'pod';
      readonly id: number;
      readonly template: number;
      readonly on: number;
      readonly gone: boolean;
    }
  | { readonly kind: 'node'; readonly id: number; readonly state: 'open' | 'ours' | 'foreign' | 'down' | 'disliked' }
  | { readonly kind: 'ended'; readonly id: number };

const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('pod' as const),
      id: fc.nat(11),
      template: fc.nat(templates.length - 1),
      // One more than there are nodes: it waits for a place.
      on: fc.nat(names.length),
      gone: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('node' as const),
      id: fc.nat(names.length - 1),
      state: fc.constantFrom('open', 'ours', 'foreign', 'down', 'disliked'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ended' as const), id: fc.nat(names.length - 1) }) },
);

/** A cluster that changes as real ones do: what stays the same stays the same object. */
class Cluster {
  readonly #nodes = new Map<string, NodeView>(names.map((name) => [name, nodeIn(name, 'open')]));
  readonly #pods = new Map<number, PodView>();
  readonly #ended = new Set<string>();

  apply(one: Change): void {
    if (one.kind === 'ended') this.#ended.add(names[one.id] ?? '');
    else if (one.kind === 'node') this.#nodes.set(names[one.id] ?? '', nodeIn(names[one.id] ?? '', one.state));
    else if (one.gone) this.#pods.delete(one.id);
    else this.#pods.set(one.id, fleetPod(`p${one.id}`, names[one.on] ?? '', templates[one.template]));
  }

  look(): Pick<CapacityInput, 'view' | 'ended'> {
    const view: ClusterView = fleetView([...this.#nodes.values()], [...this.#pods.values()], ground);
    return { view, ended: new Set(this.#ended) };
  }
}

function nodeIn(name: string, state: Extract<Change, { kind: 'node' }>['state']): NodeView {
  return fleetNode(name, {
    zone: `z${names.indexOf(name) % 3}`,
    memoryGib: 8,
    ...(state === 'ours' && { cordonedBy: 'run' }),
    ...(state === 'foreign' && { cordonedBy: '' }),
    ready: state !== 'down',
    taints: state === 'disliked' ? [{ key: 'later', effect: 'PreferNoSchedule' }] : [],
  });
}

function make(look: Pick<CapacityInput, 'view' | 'ended'>): Capacity {
  return new Capacity({ ...look, servers, evacuation: defaultEvacuation });
}

/** Everything that can be asked, one after the other, so that what was said before counts. */
function askAll(capacity: Capacity): unknown {
  const answers = names.map((name, index) => capacity.refuses(name, new Set(names.slice(0, index))));
  return {
    answers,
    moves: [...capacity.moves].map(([server, moves]) => [server, moves.map(({ pod, to }) => [pod.name, to])]),
  };
}

describe('the differences of two lists', () => {
  it('are what only one of them has, whatever the order', () => {
    const things = Array.from({ length: 30 }, (_, id) => ({ id }));
    const some = fc.uniqueArray(fc.nat(29));
    const few = fc.array(fc.record({ at: fc.nat(40), id: fc.option(fc.nat(29)) }), { maxLength: 5 });
    // Any two lists, and a list with its like after a few changes.
    const pairs = fc.oneof(
      fc.tuple(some, some),
      fc.tuple(some, few).map(([ids, changes]): [number[], number[]] => {
        const now = [...ids];
        for (const { at, id } of changes) now.splice(at, id === null ? 1 : 0, ...(id === null ? [] : [id]));
        return [ids, [...new Set(now)]];
      }),
    );
    fc.assert(
      fc.property(pairs, ([one, other]) => {
        const [before, now] = [one, other].map((ids) => ids.flatMap((id) => things[id] ?? []));
        const { gone, fresh } = differences(before ?? [], now ?? []);
        expect(gone).toEqual(new Set(before?.filter((thing) => !now?.includes(thing))));
        expect(fresh).toEqual(new Set(now?.filter((thing) => !before?.includes(thing))));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a model of room that follows the cluster', () => {
  it('says at every look what one would say that was made of it', () => {
    let followed = 0;
    let moves = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 6 }), { minLength: 2, maxLength: 12 }), (looks) => {
        const cluster = new Cluster();
        let model = make(cluster.look());
        for (const changes of looks) {
          for (const one of changes) cluster.apply(one);
          const look = cluster.look();
          if (model.follow(look)) followed += 1;
          else model = make(look);
          const fresh = make(look);
          expect(askAll(model)).toEqual(askAll(fresh));
          moves += [...fresh.moves.values()].flat().length;
          if (fresh.moves.size < names.length) refused += 1;
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(followed, moves, refused)).toBeGreaterThan(300);
  });

  it('is not made anew because pods of known templates come and go, or nodes are cordoned', () => {
    const cluster = new Cluster();
    templates.forEach((_, template) => cluster.apply({ kind: 'pod', id: template, template, on: 0, gone: false }));
    const model = make(cluster.look());
    for (let on = 1; on <= names.length; on += 1) {
      templates.forEach((_, template) => cluster.apply({ kind: 'pod', id: template, template, on, gone: false }));
      cluster.apply({ kind: 'node', id: on % names.length, state: 'ours' });
      expect(model.follow(cluster.look())).toBe(true);
    }
  });

  it('is made anew for a rule that it does not know, and for another node', () => {
    const node = fleetNode('a');
    const before = fleetView([node], [fleetPod('web', 'a')], ground);
    const ended = new Set<string>();
    const follows = (view: ClusterView): boolean => make({ view: before, ended }).follow({ view, ended });
    expect(follows({ ...before, pods: [fleetPod('db', 'a', { spec: apartFrom('db') })] })).toBe(false);
    expect(follows({ ...before, nodes: [node, fleetNode('b')] })).toBe(false);
    expect(follows({ ...before, nodes: [fleetNode('a', { zone: 'z1' })] })).toBe(false);
    expect(follows({ ...before, nodes: [fleetNode('a', { memoryGib: 4 })] })).toBe(false);
    expect(follows({ ...before, nodes: [fleetNode('a', { taints: [{ key: 'x', effect: 'NoSchedule' }] })] })).toBe(
      false,
    );
    expect(follows({ ...before, claims: [...claims] })).toBe(false);
    expect(follows({ ...before, nodes: [fleetNode('a', { ready: false })] })).toBe(true);
  });
});
