import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import { podKey, type PodView } from '../../src/cluster/pod.ts';
import { isWantedNode } from '../../src/cluster/placement.ts';
import { isTolerated } from '../../src/cluster/scheduling.ts';
import { Loads } from '../../src/planner/load.ts';
import { unmoved } from '../../src/planner/past-moves.ts';
import {
  planRebalance,
  type PlannedMove,
  type RebalanceInput,
  type RebalancePlan,
} from '../../src/planner/rebalance.ts';
import type { MoveWay } from '../../src/spec/plan.ts';
import { fleetView } from './fleet.ts';
import { pod } from '../workflow/fixtures.ts';

function nodeView(name: string, change: Partial<NodeView> = {}): NodeView {
  return {
    name,
    uid: `uid-${name}`,
    labels: { 'kubernetes.io/hostname': name },
    cordon: { kind: 'none' },
    ready: true,
    bootId: 'b',
    kernelVersion: '6.12',
    taints: [],
    allocatable: { cpuMillis: 10_000, memoryBytes: 10_000, pods: 110, others: {} },
    volumesInUse: [],
    ...change,
  };
}

/** A replica of Deployment `app`, that asks for so many tenths of a percent of a node of `nodeView`. */
function replica(app: string, index: number, node: string, cpuMillis: number, change: Partial<PodView> = {}): PodView {
  return pod({
    name: `${app}-${index}`,
    uid: `uid-${app}-${index}`,
    node,
    labels: { app, 'pod-template-hash': 'h' },
    owner: { kind: 'ReplicaSet', name: `${app}-h`, uid: `rs-${app}` },
    requests: { cpuMillis, memoryBytes: 0, others: {} },
    ...change,
  });
}

function mayRun({ placement, tolerations }: PodView, node: NodeView): boolean {
  const forbids = node.taints.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, tolerations));
  return !forbids && isWantedNode(placement, node);
}

function input(
  nodes: readonly NodeView[],
  pods: readonly PodView[],
  change: Partial<RebalanceInput> = {},
): RebalanceInput {
  return {
    view: fleetView([...nodes], [...pods]),
    servers: new Set(nodes.map(({ name }) => name)),
    policy: 'spread',
    maxMoves: 20,
    past: unmoved,
    waysOf: () => ['surge', 'evict'],
    canRun: mayRun,
    canGoAlive: () => true,
    ...change,
  };
}

/** Ten replicas of 8 % each on every full server; `e` is empty, as the last server of a run is. */
const nodes = ['a', 'b', 'c', 'e'].map((name) => nodeView(name));
const pods = ['a', 'b', 'c'].flatMap((name) =>
  Array.from({ length: 10 }, (_, index) => replica(`app${index}`, 'abc'.indexOf(name), name, 800)),
);

function told({ before, after, moves }: RebalancePlan): unknown {
  return {
    before: before.points,
    after: after.points,
    moves: moves.length,
    to: [...new Set(moves.map(({ to }) => to))],
  };
}

describe('spread', () => {
  it('fills the server that came back empty, and stops as soon as the servers are even enough', () => {
    expect(told(planRebalance(input(nodes, pods)))).toEqual({ before: 80, after: 16, moves: 6, to: ['e'] });
  });

  it('acts above 20 points only', () => {
    const even = [replica('app', 0, 'a', 2_000), replica('app', 1, 'b', 100)];
    expect(planRebalance(input([nodeView('a'), nodeView('b')], even)).moves).toEqual([]);
  });

  it('counts the greater of CPU and memory, and no pod that has finished', () => {
    const heavy = replica('app', 0, 'a', 100, { requests: { cpuMillis: 100, memoryBytes: 5_000, others: {} } });
    const finished = replica('job', 0, 'a', 9_000, { phase: 'Succeeded' });
    const { before } = planRebalance(input([nodeView('a'), nodeView('b')], [heavy, finished], { waysOf: () => [] }));
    expect(before).toEqual({
      points: 50,
      fullest: { node: 'a', percent: 50 },
      emptiest: { node: 'b', percent: 0 },
    });
  });

  it('moves no pod for which no way is allowed, and none that the scheduler would keep apart from its siblings', () => {
    const waysOf = (pod: PodView): MoveWay[] => (pod.labels['app'] === 'app3' ? ['evict'] : []);
    const { moves } = planRebalance(input(nodes, pods, { waysOf }));
    expect(moves.map(({ pod }) => pod.labels['app'])).toEqual(['app3', 'app3']);
  });

  it('restarts nothing that the run has moved already, and moves it alive', () => {
    const past = { ...unmoved, mayRestart: () => false };
    expect(planRebalance(input(nodes, pods, { past })).moves).toEqual([]);
    const { moves } = planRebalance(input(nodes, pods, { past, waysOf: () => ['live', 'surge', 'evict'] }));
    expect(new Set(moves.map(({ way }) => way))).toEqual(new Set(['live']));
    expect(moves.length).toBeGreaterThan(0);
  });

  it('evicts nobody’s last Ready replica, which a surge may replace', () => {
    const single = [replica('one', 0, 'a', 3_000), replica('two', 0, 'a', 3_000)];
    const two = [nodeView('a'), nodeView('b')];
    expect(planRebalance(input(two, single, { waysOf: () => ['evict'] })).moves).toEqual([]);
    expect(planRebalance(input(two, single, { waysOf: () => ['surge'] })).moves).toHaveLength(1);
  });

  it('restarts nothing whose budget gives nothing now', () => {
    const budget = {
      namespace: 'shop',
      name: 'all',
      selector: {},
      disruptionsAllowed: 0,
      currentHealthy: 30,
      desiredHealthy: 30,
      expectedPods: 31,
      asks: 'minAvailable 30',
      unhealthyPodEvictionPolicy: 'IfHealthyBudget' as const,
    };
    const tight = { ...fleetView(nodes, pods), budgets: [budget] };
    expect(planRebalance(input(nodes, pods, { view: tight })).moves).toEqual([]);
    expect(planRebalance(input(nodes, pods, { view: tight, waysOf: () => ['live'] })).moves).toHaveLength(6);
  });

  it('restarts nothing that the scheduler may well put where it makes things worse', () => {
    // Nearly as full as the fullest, and yet the only one of the others that would take the pod.
    const two = [nodeView('a'), nodeView('b', { labels: { disk: 'ssd' } }), nodeView('c')];
    const rules = { nodeSelector: { disk: 'ssd' }, together: [], apart: [], spread: [], hostPorts: [] };
    const full = [replica('x', 0, 'a', 3_000, { placement: rules }), replica('x', 1, 'a', 3_000, { placement: rules })];
    const other = replica('y', 0, 'b', 5_500);
    expect(planRebalance(input(two, [...full, other])).moves).toEqual([]);
  });

  it.each([
    ['cordoned', { cordon: { kind: 'foreign' } }],
    ['not Ready', { ready: false }],
    ['kept from others by a taint', { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] }],
  ] as const)('neither compares nor fills a server that is %s', (_why, change) => {
    const some = nodes.map((node) => (node.name === 'e' ? { ...node, ...change } : node));
    expect(told(planRebalance(input(some, pods)))).toEqual({ before: 0, after: 0, moves: 0, to: [] });
  });

  it('sends live moves to servers of the run alone', () => {
    const servers = new Set(['a', 'b', 'c']);
    const some = pods.filter(({ node }) => node !== 'b');
    const { moves } = planRebalance(input(nodes, some, { servers, waysOf: () => ['live'] }));
    expect(new Set(moves.map(({ to }) => to))).toEqual(new Set(['b']));
  });
});

describe('return', () => {
  const home = new Map(['app0', 'app1'].map((app) => [`shop/${app}-0`, 'e']));
  const past = { ...unmoved, homeOf: (pod: PodView) => home.get(podKey(pod)) };

  it('sends pods back alive to where the run found them', () => {
    const { moves } = planRebalance(input(nodes, pods, { policy: 'return', past, waysOf: () => ['live'] }));
    expect(moves.map(({ pod, from, to, way }) => `${pod.name} ${from} ${to} ${way}`)).toEqual([
      'app0-0 a e live',
      'app1-0 a e live',
    ]);
  });

  it('does nothing where pods cannot move alive, for a restart would be their second move', () => {
    expect(planRebalance(input(nodes, pods, { policy: 'return', past })).moves).toEqual([]);
  });

  it('does not make the servers uneven', () => {
    const tight = [nodeView('a'), nodeView('b')];
    const moved = [replica('app0', 0, 'a', 2_000), replica('x', 0, 'b', 2_500), replica('y', 0, 'a', 500)];
    const homeOf = (): string => 'b';
    const { moves } = planRebalance(
      input(tight, moved, { policy: 'return', past: { ...past, homeOf }, waysOf: () => ['live'] }),
    );
    expect(moves.map(({ pod }) => pod.name)).toEqual(['y-0']);
  });
});

describe('a pod that moves', () => {
  const [a, b] = [nodeView('a'), nodeView('b')];
  const large = replica('large', 0, 'a', 4_000);
  const small = replica('small', 0, 'b', 3_000);
  const rest = [replica('rest', 0, 'a', 5_000), replica('rest', 1, 'b', 2_000)];
  const planned = (from: PodView[]): string[] => {
    const homes: Record<string, string> = { 'large-0': 'b', 'small-0': 'a' };
    const past = { ...unmoved, homeOf: ({ name }: PodView) => homes[name] };
    const { moves } = planRebalance(input([a, b], from, { policy: 'return', past, waysOf: () => ['live'] }));
    return moves.map(({ pod: { name }, to }) => `${name} to ${to}`);
  };

  it('takes room on both of its servers: what it leaves is given to nobody in the same plan', () => {
    expect(planned([large, small, ...rest])).toEqual(['large-0 to b']);
  });

  it('gives its room free once it is over', () => {
    expect(planned([{ ...large, node: 'b' }, small, ...rest])).toEqual(['small-0 to a']);
  });
});

/** Of which servers more is asked of what than they have. */
function overbooked(all: readonly NodeView[], asked: ReadonlyMap<string, ReadonlySet<PodView>>): string[] {
  return all.flatMap(({ name, allocatable }) => {
    const requests = [...(asked.get(name) ?? [])].map((found) => found.requests);
    const sum = (pick: (one: PodView['requests']) => number): number =>
      requests.reduce((total, one) => total + pick(one), 0);
    return [
      sum((one) => one.cpuMillis) > allocatable.cpuMillis ? [`${name} CPU`] : [],
      sum((one) => one.memoryBytes) > allocatable.memoryBytes ? [`${name} memory`] : [],
      sum((one) => one.others['gpu'] ?? 0) > (allocatable.others['gpu'] ?? 0) ? [`${name} GPUs`] : [],
      requests.length > allocatable.pods ? [`${name} pods`] : [],
    ].flat();
  });
}

const drawnNode = fc.record({
  ready: fc.constantFrom(true, true, true, false),
  cordoned: fc.constantFrom(false, false, false, true),
  taint: fc.constantFrom('', '', '', 'NoSchedule', 'PreferNoSchedule'),
  cpuMillis: fc.integer({ min: 4_000, max: 20_000 }),
  memoryBytes: fc.integer({ min: 4_000, max: 20_000 }),
  gpus: fc.constantFrom(0, 1, 4),
});
const drawnPod = fc.record({
  app: fc.integer({ min: 0, max: 5 }),
  node: fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7),
  cpuMillis: fc.integer({ min: 0, max: 3_000 }),
  memoryBytes: fc.integer({ min: 0, max: 3_000 }),
  ready: fc.constantFrom(true, true, true, false),
  isTolerant: fc.boolean(),
  gpus: fc.constantFrom(0, 0, 0, 1),
});

const fleet = fc
  .record({
    nodes: fc.array(drawnNode, { minLength: 2, maxLength: 8 }),
    pods: fc.array(drawnPod, { minLength: 10, maxLength: 60 }),
  })
  .map((drawn) => {
    const some = drawn.nodes.map(({ ready, cordoned, taint, cpuMillis, memoryBytes, gpus }, index) =>
      nodeView(`n${index}`, {
        ready,
        cordon: { kind: cordoned ? 'foreign' : 'none' },
        taints: taint === '' ? [] : [{ key: 'k', effect: taint }],
        allocatable: { cpuMillis, memoryBytes, pods: 30, others: { gpu: gpus } },
      }),
    );
    const all = drawn.pods.map(({ app, node, cpuMillis, memoryBytes, ready, isTolerant, gpus }, index) =>
      replica(`app${app}`, index, `n${node % some.length}`, 0, {
        requests: { cpuMillis, memoryBytes, others: gpus === 0 ? {} : { gpu: gpus } },
        ready,
        tolerations: isTolerant ? [{ operator: 'Exists' }] : [],
      }),
    );
    return { nodes: some, pods: all };
  });
const waysDrawn = fc.constantFrom<MoveWay[]>(['live'], ['live', 'surge'], ['surge', 'evict'], ['evict']);
const limits = { maxMoves: fc.integer({ min: 0, max: 8 }), ways: waysDrawn, shareOfServers: fc.constantFrom(1, 2) };

describe('for any fleet', () => {
  const cases = fc.record({ fleet, ...limits });
  const inputOf = (drawn: typeof cases extends fc.Arbitrary<infer T> ? T : never): RebalanceInput =>
    input(drawn.fleet.nodes, drawn.fleet.pods, {
      maxMoves: drawn.maxMoves,
      waysOf: () => drawn.ways,
      servers: new Set(
        drawn.fleet.nodes.map(({ name }) => name).filter((_, index) => index % drawn.shareOfServers === 0),
      ),
    });

  it('there are never more moves than allowed, no pod moves twice, and no move makes the spread worse', () => {
    let seen = 0;
    fc.assert(
      fc.property(cases, (drawn) => {
        const one = inputOf(drawn);
        const plan = planRebalance(one);
        expect(plan.moves.length).toBeLessThanOrEqual(drawn.maxMoves);
        expect(new Set(plan.moves.map(({ pod }) => pod.uid)).size).toBe(plan.moves.length);
        const loads = new Loads(one.view.nodes, one.view.pods, one.servers);
        let points = loads.spread().points;
        for (const { pod, from, to } of plan.moves) {
          loads.move(pod, from, to);
          expect(loads.spread().points).toBeLessThanOrEqual(points);
          points = loads.spread().points;
          seen += 1;
        }
        expect(plan.after.points).toBe(points);
      }),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(10);
  });

  it('every move can be made: from a server of the run, to a node that is in service, may be used and has room', () => {
    let seen = 0;
    fc.assert(
      fc.property(cases, (drawn) => {
        const one = inputOf(drawn);
        const loads = new Loads(one.view.nodes, one.view.pods, one.servers);
        for (const { pod, from, to, way } of planRebalance(one).moves) {
          const target = one.view.nodes.find(({ name }) => name === to);
          expect(target).toMatchObject({ ready: true, cordon: { kind: 'none' } });
          expect(one.view.nodes.find(({ name }) => name === from)).toMatchObject({
            ready: true,
            cordon: { kind: 'none' },
          });
          expect(pod).toMatchObject({ node: from, ready: true, leaving: false });
          expect(one.servers.has(from) && (way !== 'live' || one.servers.has(to))).toBe(true);
          expect(loads.hasRoom(to, pod) && target !== undefined && mayRun(pod, target)).toBe(true);
          loads.move(pod, from, to);
          seen += 1;
        }
      }),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(10);
  });

  it('no server is ever asked for more than it has, however many of the moves are under way at once', () => {
    let seen = 0;
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 8 }), fc.infiniteStream(fc.nat()), (drawn, atOnce, which) => {
        const one = inputOf(drawn);
        const { moves } = planRebalance(one);
        const asked = new Map(one.view.nodes.map(({ name }) => [name, new Set<PodView>()]));
        for (const found of one.view.pods) asked.get(found.node)?.add(found);
        const before = new Set(overbooked(one.view.nodes, asked));
        const underWay: PlannedMove[] = [];
        for (const move of moves) {
          // Any of them may be the first to get there; until then it is on both of its servers.
          while (underWay.length >= atOnce) {
            const [there] = underWay.splice((which.next().value ?? 0) % underWay.length, 1);
            if (there) asked.get(there.from)?.delete(there.pod);
          }
          underWay.push(move);
          asked.get(move.to)?.add(move.pod);
          expect(overbooked(one.view.nodes, asked).filter((what) => !before.has(what))).toEqual([]);
          seen += 1;
        }
      }),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(10);
  });

  it('the order in which nodes and pods are told makes no difference', () => {
    fc.assert(
      fc.property(cases, fc.integer(), (drawn, salt) => {
        const one = inputOf(drawn);
        const shuffled = <T extends { uid: string }>(list: readonly T[]): T[] =>
          [...list].sort((a, b) => (hash(a.uid, salt) < hash(b.uid, salt) ? -1 : 1));
        const other = { ...one, view: fleetView(shuffled(one.view.nodes), shuffled(one.view.pods)) };
        const names = ({ moves }: RebalancePlan): string[] =>
          moves.map(({ pod, to, way }) => `${pod.uid} ${to} ${way}`);
        expect(names(planRebalance(other))).toEqual(names(planRebalance(one)));
      }),
      { numRuns: 200 },
    );
  });
});

function hash(text: string, salt: number): number {
  return Array.from(`${text}${salt}`).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1_000_003, 7);
}
