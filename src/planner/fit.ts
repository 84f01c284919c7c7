/**
 * Would everything that has to move still fit? A model of the cluster on which nodes are emptied and pods find new
 * places by the filters of the scheduler; what cannot be done is taken back, and said with its reason.
 *
 * Pure. It never preempts, and never reckons with a node that is closed: cordoned, not Ready, or being emptied. Pods are
 * placed as the scheduler places them, on the emptiest of a sample of the nodes, because a packing that only a better
 * scheduler would find is no promise.
 */
import type { PodView } from '../cluster/pod.ts';
import type { PendingMark } from '../cluster/pending.ts';
import type { ClusterView } from '../cluster/view.ts';
import { FitClasses, type PodClass } from './fit-classes.ts';
import { explainNowhere, hindrance } from './fit-filters.ts';
import { FitNodes } from './fit-nodes.ts';
import { byWeight, differences, needsPlace, sizeOf, type Piece } from './fit-pieces.ts';

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
  /** Nodes that will be emptied themselves, by name: pods go there only where nothing else is left. */
  readonly pending: ReadonlyMap<string, PendingMark>;
}

/** The scheduler, too, looks at no more than some nodes of a big cluster before it takes the best of them. */
const feasibleMax = 16;

/** What a step back has to know: a pod that was moved, or a node whose state was changed. */
type Done =
  | { readonly kind: 'moved'; readonly piece: Piece; readonly from: number }
  | { readonly kind: 'state'; readonly node: number; readonly open: number; readonly dislike: number };

export interface Mark {
  readonly done: number;
  readonly next: number;
}

export class Fit {
  readonly nodes: FitNodes;
  readonly #classes: FitClasses;
  readonly #leaves: (pod: PodView) => boolean;
  #view: FitInput['view'];
  readonly #pieces = new Map<PodView, Piece>();
  readonly #on: Set<Piece>[];
  readonly #portsOn = new Map<number, string[]>();
  readonly #done: Done[] = [];
  #byUid: ReadonlyMap<string, Piece> | undefined;
  /** Where the next search begins, so that not every pod is tried on the first nodes first. */
  #next = 0;

  constructor({ view, leaves, pending }: FitInput) {
    this.nodes = new FitNodes(view.nodes);
    this.#leaves = leaves;
    this.#view = view;
    const pods = view.pods.filter(needsPlace);
    this.#classes = new FitClasses(this.nodes, { ...view, pods });
    this.#on = Array.from({ length: this.nodes.count }, () => new Set());
    for (const pod of pods) this.#add(pod);
    this.#begin(pending);
  }

  /**
   * From the view that it was made of to a later one, at the price of what is different; what was asked meanwhile is
   * forgotten. `false`: they differ in more than pods and the state of nodes, or in pods of a new kind. The model is of no
   * use any more then, and another one has to be made.
   */
  follow({ view, pending }: Pick<FitInput, 'view' | 'pending'>): boolean {
    const before = this.#view;
    const isSameGround =
      view.claims === before.claims && view.volumes === before.volumes && view.namespaces === before.namespaces;
    this.#takeBack(0);
    if (!isSameGround || !this.nodes.follow(view.nodes) || !this.#followPods(view.pods)) return false;
    this.#view = view;
    this.#byUid = undefined;
    this.#begin(pending);
    return true;
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
    this.#byUid ??= new Map([...this.#pieces.values()].map((piece) => [piece.pod.uid, piece]));
    const piece = this.#byUid.get(pod.uid);
    const target = this.nodes.indexOf(node);
    if (piece === undefined || target < 0 || this.nodes.open[target] !== 1) return false;
    const from = piece.at;
    if (isGone) this.#put(piece, -1);
    const reason = hindrance(this.nodes, piece.one, target, this.#portsOn);
    if (isGone) this.#put(piece, from);
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
    this.#setState(node, 0, this.nodes.dislike[node] ?? 0);
    const leaving = [...(this.#on[node] ?? [])].filter((piece) => this.#hasToLeave(piece)).sort(byWeight);
    // All are taken off before the first is placed: it must not be kept from its place by those that go with it.
    for (const piece of leaving) this.#move(piece, -1);
    for (const piece of leaving) {
      const to = this.#place(piece);
      if (to >= 0) moves.push({ pod: piece.pod, from: name, to: this.nodes.at(to).name });
      else stuck ??= explainNowhere(this.nodes, piece.one, piece.pod, this.#portsOn);
      if (to < 0 && allOrNothing) break;
    }
    return { moves, stuck };
  }

  #add(pod: PodView): void {
    const one = this.#classes.classOf(pod);
    const piece: Piece = { pod, size: sizeOf(pod), one, at: -1, leaves: undefined };
    this.#pieces.set(pod, piece);
    this.#put(piece, this.nodes.indexOf(pod.node));
  }

  /** Views are values: one that is there again is the same pod, just as it was. */
  #followPods(pods: readonly PodView[]): boolean {
    const { gone, fresh } = differences(this.#view.pods, pods);
    for (const pod of gone) {
      const piece = this.#pieces.get(pod);
      if (!piece) continue;
      this.#put(piece, -1);
      this.#pieces.delete(pod);
      if (!this.#classes.dismiss(pod)) return false;
    }
    const placed = [...fresh].filter(needsPlace);
    if (!placed.every((pod) => this.#classes.admit(pod))) return false;
    for (const pod of placed) this.#add(pod);
    return true;
  }

  /** Everything that is bound has its place by now. Those that wait for one take what there is, before anything is moved. */
  #begin(pending: ReadonlyMap<string, PendingMark>): void {
    this.#next = 0;
    if (this.nodes.begin(pending)) this.#classes.noteStates();
    const waiting = this.#view.pods.flatMap((pod) => (pod.node === '' ? (this.#pieces.get(pod) ?? []) : []));
    for (const piece of waiting.sort(byWeight)) this.#place(piece);
  }

  #hasToLeave(piece: Piece): boolean {
    piece.leaves ??= this.#leaves(piece.pod);
    return piece.leaves;
  }

  /** Returns the node, or `-1` where there is none. */
  #place(piece: Piece): number {
    const node = this.#choose(piece.one);
    if (node >= 0) this.#move(piece, node);
    return node;
  }

  /** The emptiest of those found, welcome ones before others. */
  #choose(one: PodClass): number {
    for (const { members } of this.nodes.byDislike) {
      const found = this.#chooseFrom(one, members);
      if (found >= 0) return found;
    }
    return -1;
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

  #move(piece: Piece, to: number): void {
    this.#done.push({ kind: 'moved', piece, from: piece.at });
    this.#put(piece, to);
  }

  #put(piece: Piece, to: number): void {
    const from = piece.at;
    if (from === to) return;
    if (from >= 0) this.#count(piece, from, -1);
    piece.at = to;
    if (to >= 0) this.#count(piece, to, 1);
  }

  #count(piece: Piece, node: number, change: 1 | -1): void {
    const { cpuFree, memoryFree, podsFree } = this.nodes;
    const { sample, others, counted, hostPorts } = piece.one;
    cpuFree[node] = (cpuFree[node] ?? 0) - change * sample.requests.cpuMillis;
    memoryFree[node] = (memoryFree[node] ?? 0) - change * sample.requests.memoryBytes;
    podsFree[node] = (podsFree[node] ?? 0) - change;
    for (const { free, amount } of others) free[node] = (free[node] ?? 0) - change * amount;
    for (const count of counted) count.add(node, change);
    if (change === 1) this.#on[node]?.add(piece);
    else this.#on[node]?.delete(piece);
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

  #setState(node: number, open: 0 | 1, dislike: number): void {
    const before = { open: this.nodes.open[node] ?? 0, dislike: this.nodes.dislike[node] ?? 0 };
    this.#done.push({ kind: 'state', node, ...before });
    this.nodes.setState(node, open, dislike);
    if (before.open !== open) this.#classes.noteStates();
  }

  #takeBack(mark: number): void {
    while (this.#done.length > mark) {
      const last = this.#done.pop();
      if (last?.kind === 'moved') this.#put(last.piece, last.from);
      if (last?.kind !== 'state') continue;
      this.nodes.setState(last.node, last.open, last.dislike);
      this.#classes.noteStates();
    }
  }
}
