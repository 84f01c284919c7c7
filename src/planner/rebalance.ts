/**
 * Which pods to move after a run so that its servers are loaded more evenly, or so that pods are back where they were. Pure.
 *
 * Few moves: each is the one that takes most off the fullest server, and none that takes off less than a point. A live
 * move goes where it is sent. After a restart the scheduler chooses, so one is planned only where every place that the
 * scheduler is likely to choose makes things better. No move makes the spread worse.
 *
 * No move needs the room that another one of the plan gives free: in whichever order they end, and however many are under way
 * at once, every server has what is asked of it. Two full servers so exchange nothing; once a move is over, its room is seen.
 */
import { budgetsOf } from '../cluster/budget.ts';
import type { NodeView } from '../cluster/node.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { isTolerated } from '../cluster/scheduling.ts';
import type { ClusterView } from '../cluster/view.ts';
import type { MoveWay } from '../spec/plan.ts';
import { calmPoints } from '../workflow/decide-rebalance.ts';
import type { Spread } from '../workflow/events.ts';
import { Loads, tenths, type PooledNode } from './load.ts';
import type { PastMoves } from './past-moves.ts';

export interface RebalanceInput {
  readonly view: ClusterView;
  /** Nodes of the run's servers: they alone are compared, taken from and, by live moves, given to. */
  readonly servers: ReadonlySet<string>;
  readonly policy: 'spread' | 'return';
  readonly maxMoves: number;
  readonly past: PastMoves;
  /** How this pod may be moved, best first; empty where it may not. Asked only of pods that might help. */
  readonly waysOf: (pod: PodView) => readonly MoveWay[];
  /** Whether the pod may run on that node when it goes this way, apart from CPU and memory. */
  readonly canRun: (pod: PodView, node: NodeView, way: MoveWay) => boolean;
  /** Whether a mover can take it there alive. */
  readonly canGoAlive: (pod: PodView, node: NodeView) => boolean;
}

export interface PlannedMove {
  readonly pod: PodView;
  readonly way: MoveWay;
  readonly from: string;
  /** Chosen for a live move, expected of the scheduler otherwise. */
  readonly to: string;
  /** How full `from` is before it. */
  readonly percent: number;
}

export interface RebalancePlan {
  readonly before: Spread;
  readonly after: Spread;
  readonly moves: readonly PlannedMove[];
}

/** What a move has to take off the fullest server to be worth it, in points. */
const worthPoints = 1;
/** The scheduler weighs more than room: any node whose score is so near to the best may be the one. */
const scoreMargin = 5;
/** What a sibling on a node costs it, about: replicas are spread where nothing else speaks against it. */
const siblingScore = 20;
/** The fullest servers, looked at in turn where the first has nothing that may be moved. */
const sourcesMax = 10;
/** A live move is tried on the emptiest servers that can take it. */
const targetsMax = 5;

export function planRebalance(input: RebalanceInput): RebalancePlan {
  const bench = new Bench(input);
  const before = bench.loads.spread();
  const moves: PlannedMove[] = [];
  while (moves.length < input.maxMoves) {
    const move = input.policy === 'spread' ? bench.bestMove() : bench.nextReturn();
    if (!move) break;
    bench.make(move);
    moves.push(move);
  }
  return { before, after: bench.loads.spread(), moves };
}

interface Candidate {
  readonly move: PlannedMove;
  readonly gain: number;
}

/** The cluster with the moves so far made in it. */
class Bench {
  readonly loads: Loads;
  readonly #input: RebalanceInput;
  readonly #podsOn = new Map<string, PodView[]>();
  /** Of every controller: how many of its pods each node has, and how many are Ready at all. */
  readonly #siblings = new Map<string, Map<string, number>>();
  readonly #ready = new Map<string, number>();
  readonly #moved = new Set<string>();

  constructor(input: RebalanceInput) {
    this.#input = input;
    const { nodes, pods } = input.view;
    this.loads = new Loads(nodes, pods, input.servers);
    for (const pod of [...pods].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) this.#place(pod);
  }

  #place(pod: PodView): void {
    const here = this.#podsOn.get(pod.node) ?? [];
    if (here.length === 0) this.#podsOn.set(pod.node, here);
    here.push(pod);
    if (!pod.owner) return;
    this.#count(pod.owner.uid, pod.node, 1);
    if (pod.ready && !pod.leaving) this.#ready.set(pod.owner.uid, (this.#ready.get(pod.owner.uid) ?? 0) + 1);
  }

  #count(owner: string, node: string, change: 1 | -1): void {
    const counts = this.#siblings.get(owner) ?? new Map<string, number>();
    this.#siblings.set(owner, counts);
    counts.set(node, (counts.get(node) ?? 0) + change);
  }

  make({ pod, from, to }: PlannedMove): void {
    this.loads.move(pod, from, to);
    this.#moved.add(pod.uid);
    if (!pod.owner) return;
    this.#count(pod.owner.uid, from, -1);
    this.#count(pod.owner.uid, to, 1);
  }

  /** Pool by pool, the most uneven first. */
  bestMove(): PlannedMove | undefined {
    const uneven = this.loads
      .pools()
      .map((members) => ({ members, points: (members.at(-1)?.percent ?? 0) - (members[0]?.percent ?? 0) }))
      .filter(({ points }) => tenths(points) > calmPoints)
      .sort((a, b) => b.points - a.points);
    for (const { members } of uneven) {
      const move = this.#bestIn(members);
      if (move) return move;
    }
    return undefined;
  }

  /** From the fullest server to anywhere; where it has nothing to give, from another full one to the emptiest. */
  #bestIn(members: readonly PooledNode[]): PlannedMove | undefined {
    const sources = members.toReversed().slice(0, sourcesMax);
    for (const [index, source] of sources.entries()) {
      const targets = index === 0 ? members : members.slice(0, 1);
      const candidates = this.#candidatesFrom(source, members, targets);
      const [first] = candidates.toSorted((a, b) => b.gain - a.gain);
      if (first) return first.move;
    }
    return undefined;
  }

  #candidatesFrom(source: PooledNode, pool: readonly PooledNode[], targets: readonly PooledNode[]): Candidate[] {
    const seen = new Set<string>();
    const floor = pool[0]?.percent ?? 0;
    const members = new Set(pool.map(({ name }) => name));
    return (this.#podsOn.get(source.name) ?? []).flatMap((pod): Candidate[] => {
      // Replicas of one template are alike: one of them speaks for all that may do the same.
      if (this.#moved.has(pod.uid) || pod.leaving || !pod.ready) return [];
      const { past, waysOf, servers } = this.#input;
      const [isAlive, isRestart] = [past.mayMoveAlive(pod), past.mayRestart(pod)];
      const kind = `${pod.owner?.uid ?? pod.uid} ${isAlive} ${isRestart}`;
      if ((!isAlive && !isRestart) || seen.has(kind)) return [];
      seen.add(kind);
      // Never lower than the emptiest is now: that would only turn the spread around.
      const without = this.loads.percentWithout(source.name, pod);
      if (without < floor || source.percent - without < worthPoints) return [];
      for (const way of waysOf(pod)) {
        if (way === 'live' ? !isAlive : !isRestart || !this.#isSpared(pod, way)) continue;
        const places = way === 'live' ? this.#liveTargets(pod, source, targets) : this.#likely(pod, way);
        if (targets.length === 1 && places.some((name) => name !== targets[0]?.name)) continue;
        const [to] = places;
        // Into another pool it would make that one uneven.
        const isForeign = (name: string): boolean => servers.has(name) && !members.has(name);
        if (to === undefined || places.includes(source.name) || places.some(isForeign)) continue;
        const worst = Math.max(without, ...places.map((name) => this.loads.percentWith(name, pod)));
        const gain = source.percent - worst;
        if (gain < worthPoints) continue;
        return [{ move: { pod, way, from: source.name, to, percent: tenths(source.percent) }, gain }];
      }
      return [];
    });
  }

  /** A restart for the sake of evenness takes nobody's last replica, and none that a budget would not give now. */
  #isSpared(pod: PodView, way: MoveWay): boolean {
    const { budgets } = this.#input.view;
    if (budgetsOf(pod, budgets).some(({ disruptionsAllowed }) => disruptionsAllowed < 1)) return false;
    // A surge has a replacement Ready before the pod goes.
    return way === 'surge' || (this.#ready.get(pod.owner?.uid ?? '') ?? 0) > 1;
  }

  /** The one that is best off with it. */
  #liveTargets(pod: PodView, source: PooledNode, targets: readonly PooledNode[]): string[] {
    const { canGoAlive } = this.#input;
    const able: { name: string; percent: number }[] = [];
    const nodes = new Map(this.loads.nodes().map((node) => [node.name, node]));
    for (const { name } of targets) {
      const node = nodes.get(name);
      if (name === source.name || !node || !this.#takes(pod, node, 'live') || !canGoAlive(pod, node)) continue;
      able.push({ name, percent: this.loads.percentWith(name, pod) });
      if (able.length >= targetsMax) break;
    }
    const best = able.sort((a, b) => a.percent - b.percent)[0];
    return best ? [best.name] : [];
  }

  #takes(pod: PodView, node: NodeView, way: MoveWay): boolean {
    return this.loads.hasRoom(node.name, pod) && this.#input.canRun(pod, node, way);
  }

  /** Where the scheduler may well put its replacement, the likeliest first; empty where that cannot be told. */
  #likely(pod: PodView, way: MoveWay): string[] {
    const siblings = this.#siblings.get(pod.owner?.uid ?? '');
    const able = this.loads.nodes().filter((node) => node.name === pod.node || this.#takes(pod, node, way));
    const disliked = able.map((node) => dislikesOf(pod, node));
    const least = Math.min(...disliked);
    const scored = able
      .filter((_node, index) => disliked[index] === least)
      .map(({ name }) => {
        const plain = this.loads.scoreOf(name, pod);
        const others = (siblings?.get(name) ?? 0) - (name === pod.node ? 1 : 0);
        return { name, plain, apart: plain - siblingScore * others };
      });
    const bestPlain = Math.max(...scored.map(({ plain }) => plain));
    const bestApart = Math.max(...scored.map(({ apart }) => apart));
    return scored
      .filter(({ plain, apart }) => plain >= bestPlain - scoreMargin || apart >= bestApart - scoreMargin)
      .sort((a, b) => b.apart - a.apart)
      .map(({ name }) => name);
  }

  /** Home, alive, as long as that makes nothing uneven. */
  nextReturn(): PlannedMove | undefined {
    const { past, waysOf, servers, canGoAlive } = this.#input;
    const before = Math.max(calmPoints, this.loads.spread().points);
    const nodes = new Map(this.loads.nodes().map((node) => [node.name, node]));
    for (const from of [...servers].sort()) {
      for (const pod of this.#podsOn.get(from) ?? []) {
        const home = nodes.get(past.homeOf(pod) ?? '');
        const isWanted = home && home.name !== from && nodes.has(from) && pod.ready && !pod.leaving;
        if (!isWanted || this.#moved.has(pod.uid) || !past.mayMoveAlive(pod)) continue;
        if (!servers.has(home.name) || !waysOf(pod).includes('live')) continue;
        if (!this.#takes(pod, home, 'live') || !canGoAlive(pod, home)) continue;
        const percent = tenths(this.loads.percentOf(from));
        if (this.loads.spreadAfter(pod, from, home.name).points <= before)
          return { pod, way: 'live', from, to: home.name, percent };
      }
    }
    return undefined;
  }
}

function keyOf(pod: PodView): string {
  return `${podKey(pod)} ${pod.uid}`;
}

/** `PreferNoSchedule` is no wall, but any other node comes first. */
function dislikesOf(pod: PodView, { taints }: NodeView): number {
  return taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, pod.tolerations)).length;
}
