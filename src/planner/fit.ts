/**
 * Would everything that has to move still fit? A model of the cluster on which nodes are emptied and pods find new
 * places by the filters of the scheduler; what cannot be done is taken back, and said with its reason.
 *
 * Pure. It never preempts, and never reckons with a node that is closed: cordoned, not Ready, or being emptied. Pods are
 * placed as the scheduler places them, on the emptiest of a sample of the nodes, because a packing that only a better
 * scheduler would find is no promise.
 */
import type { PodView } from '../cluster/pod.ts';
import type { ClusterView } from '../cluster/view.ts';
import { FitClasses, type PodClass } from './fit-classes.ts';
import { explainNowhere, hindrance } from './fit-filters.ts';
import { FitNodes } from './fit-nodes.ts';

export interface Move {
  readonly pod: PodView;
  /** Names of nodes. */
  readonly from: string;
  readonly to: string;
}

export type Emptied =
  | { readonly kind: 'fits'; readonly moves: readonly Move[] }
  /** Nothing was moved. */
  | { readonly kind: 'stuck'; readonly because: string };

export interface FitInput {
  readonly view: Omit<ClusterView, 'budgets'>;
  /** Whether a pod has to go when its node is emptied. */
  readonly leaves: (pod: PodView) => boolean;
  /** Names of nodes that will be emptied themselves: pods go there only where nothing else is left. */
  readonly later: ReadonlySet<string>;
}

/** The scheduler, too, looks at no more than some nodes of a big cluster before it takes the best of them. */
const feasibleMax = 16;

/** What a step back has to know: a pod that was moved, or a node whose state was changed. */
type Done =
  | { readonly kind: 'moved'; readonly pod: number; readonly from: number }
  | { readonly kind: 'state'; readonly node: number; readonly open: number; readonly later: number };

export interface Mark {
  readonly done: number;
  readonly next: number;
}

export class Fit {
  readonly nodes: FitNodes;
  readonly #classes: FitClasses;
  readonly #leaves: (pod: PodView) => boolean;
  readonly #pods: readonly PodView[];
  readonly #class: readonly PodClass[];
  /** Place of each pod, `-1`: none. */
  readonly #at: Int32Array;
  readonly #on: Set<number>[];
  readonly #portsOn = new Map<number, string[]>();
  readonly #done: Done[] = [];
  #indexes: ReadonlyMap<string, number> | undefined;
  /** Where the next search begins, so that not every pod is tried on the first nodes first. */
  #next = 0;

  constructor({ view, leaves, later }: FitInput) {
    this.nodes = new FitNodes(view.nodes);
    this.#leaves = leaves;
    // What has ended, or is on its way out, needs no place; its replacement is a pod of its own.
    const pods = view.pods.filter((pod) => !pod.leaving && pod.phase !== 'Succeeded' && pod.phase !== 'Failed');
    const weighed = pods.map((pod) => ({ pod, size: sizeOf(pod) })).sort(byWeight);
    this.#pods = weighed.map(({ pod }) => pod);
    this.#classes = new FitClasses(this.nodes, { ...view, pods: this.#pods });
    this.#class = this.#pods.map((pod) => this.#classes.classOf(pod));
    this.#at = new Int32Array(this.#pods.length).fill(-1);
    this.#on = Array.from({ length: this.nodes.count }, () => new Set());
    for (const name of later) this.nodes.later[this.nodes.indexOf(name)] = 1;
    for (let node = 0; node < this.nodes.count; node += 1) {
      this.nodes.setState(node, this.nodes.open[node] ?? 0, this.nodes.later[node] ?? 0);
    }
    this.#pods.forEach((pod, index) => {
      const node = this.nodes.indexOf(pod.node);
      if (node >= 0) this.#put(index, node);
    });
    // Those that wait for a place already are going to take what there is, before anything that is moved later.
    this.#pods.forEach((pod, index) => {
      if (pod.node === '') this.#place(index);
    });
  }

  /** Closes a node and finds a place for everything that has to leave it: all of it, or nothing is changed. */
  empty(node: string): Emptied {
    const mark = this.#done.length;
    const { moves, stuck } = this.#empty(node, true);
    if (stuck === undefined) return { kind: 'fits', moves };
    this.#takeBack(mark);
    return { kind: 'stuck', because: stuck };
  }

  /** The same for a node that is being emptied already: what has no place is left out, and why the first of it has none. */
  emptyAsFarAsPossible(node: string): string | undefined {
    return this.#empty(node, false).stuck;
  }

  /** The node takes pods again, and is as welcome as any other: it will not be emptied a second time. */
  reopen(node: string): void {
    const index = this.nodes.indexOf(node);
    if (index >= 0) this.#setState(index, 1, 0);
  }

  /**
   * Whether another node would take this pod now, everything else being as it is. `isGone`: it has left its own node by then;
   * otherwise its replacement is placed while it still runs.
   */
  couldRun(pod: PodView, node: string, isGone: boolean): boolean {
    this.#indexes ??= new Map(this.#pods.map(({ uid }, index) => [uid, index]));
    const index = this.#indexes.get(pod.uid);
    const target = this.nodes.indexOf(node);
    if (index === undefined || target < 0 || this.nodes.open[target] !== 1) return false;
    const from = this.#at[index] ?? -1;
    if (isGone) this.#put(index, -1);
    const reason = hindrance(this.nodes, this.#classOf(index), target, this.#portsOn);
    if (isGone) this.#put(index, from);
    return reason === undefined;
  }

  mark(): Mark {
    return { done: this.#done.length, next: this.#next };
  }

  /** Back to how everything was at the mark. */
  rewind({ done, next }: Mark): void {
    this.#takeBack(done);
    this.#next = next;
  }

  isOpen(node: string): boolean {
    return this.nodes.open[this.nodes.indexOf(node)] === 1;
  }

  #empty(name: string, allOrNothing: boolean): { moves: Move[]; stuck: string | undefined } {
    const node = this.nodes.indexOf(name);
    const moves: Move[] = [];
    let stuck: string | undefined;
    if (node < 0) return { moves, stuck };
    this.#setState(node, 0, this.nodes.later[node] ?? 0);
    // Pods are kept in the order of their weight: the heavy ones find a place first.
    const leaving = [...(this.#on[node] ?? [])].sort((a, b) => a - b).filter((pod) => this.#leaves(this.#podAt(pod)));
    // All are taken off before the first is placed: it must not be kept from its place by those that go with it.
    for (const pod of leaving) this.#move(pod, -1);
    for (const pod of leaving) {
      const to = this.#place(pod);
      if (to >= 0) moves.push({ pod: this.#podAt(pod), from: name, to: this.nodes.at(to).name });
      else stuck ??= explainNowhere(this.nodes, this.#classOf(pod), this.#podAt(pod), this.#portsOn);
      if (to < 0 && allOrNothing) break;
    }
    return { moves, stuck };
  }

  #podAt(index: number): PodView {
    const pod = this.#pods[index];
    if (!pod) throw new RangeError(`no pod ${index}`);
    return pod;
  }

  #classOf(index: number): PodClass {
    const found = this.#class[index];
    if (!found) throw new RangeError(`no pod ${index}`);
    return found;
  }

  /** Returns the node, or `-1` where there is none. */
  #place(pod: number): number {
    const node = this.#choose(this.#classOf(pod));
    if (node >= 0) this.#move(pod, node);
    return node;
  }

  /** The emptiest of those found, welcome ones before others. */
  #choose(one: PodClass): number {
    const welcome = this.#chooseFrom(one, this.nodes.welcome.members);
    return welcome >= 0 ? welcome : this.#chooseFrom(one, this.nodes.second.members);
  }

  #chooseFrom(one: PodClass, nodes: readonly number[]): number {
    const count = nodes.length;
    const begin = this.#next < count ? this.#next : 0;
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    let feasible = 0;
    for (let step = 0; step < count && feasible < feasibleMax; step += 1) {
      const place = begin + step < count ? begin + step : begin + step - count;
      const node = nodes[place] ?? -1;
      if (hindrance(this.nodes, one, node, this.#portsOn) !== undefined) continue;
      feasible += 1;
      this.#next = place + 1;
      const score = this.#score(one, node);
      if (score > bestScore) [best, bestScore] = [node, score];
    }
    return best;
  }

  /** Free share of the node with the pod on it, as the scheduler's `LeastAllocated` reckons it. */
  #score({ sample: { requests } }: PodClass, node: number): number {
    const { cpuFree, memoryFree, cpuShare, memoryShare } = this.nodes;
    const cpu = ((cpuFree[node] ?? 0) - requests.cpuMillis) * (cpuShare[node] ?? 0);
    const memory = ((memoryFree[node] ?? 0) - requests.memoryBytes) * (memoryShare[node] ?? 0);
    return Math.max(0, cpu) + Math.max(0, memory);
  }

  #move(pod: number, to: number): void {
    this.#done.push({ kind: 'moved', pod, from: this.#at[pod] ?? -1 });
    this.#put(pod, to);
  }

  #put(pod: number, to: number): void {
    const from = this.#at[pod] ?? -1;
    if (from === to) return;
    if (from >= 0) this.#count(pod, from, -1);
    this.#at[pod] = to;
    if (to >= 0) this.#count(pod, to, 1);
  }

  #count(pod: number, node: number, change: 1 | -1): void {
    const { cpuFree, memoryFree, podsFree } = this.nodes;
    const { sample, others, counted, hostPorts } = this.#classOf(pod);
    cpuFree[node] = (cpuFree[node] ?? 0) - change * sample.requests.cpuMillis;
    memoryFree[node] = (memoryFree[node] ?? 0) - change * sample.requests.memoryBytes;
    podsFree[node] = (podsFree[node] ?? 0) - change;
    for (const { free, amount } of others) free[node] = (free[node] ?? 0) - change * amount;
    for (const count of counted) count.add(node, change);
    if (change === 1) this.#on[node]?.add(pod);
    else this.#on[node]?.delete(pod);
    if (hostPorts.length > 0) this.#countPorts(hostPorts, node, change);
  }

  #countPorts(ports: readonly string[], node: number, change: 1 | -1): void {
    const taken = this.#portsOn.get(node) ?? [];
    this.#portsOn.set(node, taken);
    for (const port of ports) {
      if (change === 1) taken.push(port);
      else taken.splice(taken.indexOf(port), 1);
    }
  }

  #setState(node: number, open: 0 | 1, later: number): void {
    const before = { open: this.nodes.open[node] ?? 0, later: this.nodes.later[node] ?? 0 };
    this.#done.push({ kind: 'state', node, ...before });
    this.nodes.setState(node, open, later);
    if (before.open !== open) this.#classes.noteStates();
  }

  #takeBack(mark: number): void {
    while (this.#done.length > mark) {
      const last = this.#done.pop();
      if (last?.kind === 'moved') this.#put(last.pod, last.from);
      if (last?.kind !== 'state') continue;
      this.nodes.setState(last.node, last.open, last.later);
      this.#classes.noteStates();
    }
  }
}

interface Weighed {
  readonly pod: PodView;
  readonly size: number;
}

/** High priority first, then large before small, then by name: the same order for the same pods. */
function byWeight({ pod: a, size }: Weighed, { pod: b, size: other }: Weighed): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (size !== other) return other - size;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** One core weighs as much as 4 GiB, about what servers have of both. */
function sizeOf({ requests }: PodView): number {
  return requests.cpuMillis * 4.3e6 + requests.memoryBytes;
}
