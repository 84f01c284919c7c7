/**
 * The nodes of the capacity model: what is free on each, which are open, and which domain of a topology each is in.
 *
 * It keeps numbers and decides nothing. Nodes are known by their place in the order of their names.
 */
import type { NodeView } from '../cluster/node.ts';
import { isPendingTaint, pendingKeys, type PendingMark } from '../cluster/pending.ts';
import type { Taint } from '../cluster/scheduling.ts';

/** The domain of each node under one label; `-1` where a node does not have the label. */
export interface Topology {
  readonly key: string;
  readonly domainOf: Int32Array;
  readonly domains: number;
}

/** Some of the nodes, in their order: which they are is all that it depends on, and not how they came in. */
class NodeSet {
  readonly members: number[] = [];

  add(node: number): void {
    const place = this.#placeOf(node);
    if (this.members[place] !== node) this.members.splice(place, 0, node);
  }

  delete(node: number): void {
    const place = this.#placeOf(node);
    if (this.members[place] === node) this.members.splice(place, 1);
  }

  /** Where it is, or would have to be. */
  #placeOf(node: number): number {
    let from = 0;
    let to = this.members.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.members[middle] ?? 0) < node) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** What the state of a node says is kept elsewhere: an open node has none of these taints, whatever it had before. */
const passingTaints: ReadonlySet<string> = new Set([
  'node.kubernetes.io/unschedulable',
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
]);

/** Keeps pods off that do not tolerate it, for longer than the node is closed. */
export function isWall({ key, effect }: Taint): boolean {
  return effect !== 'PreferNoSchedule' && !passingTaints.has(key);
}

/** More make no difference any more. */
const dislikeMax = 3;

export class FitNodes {
  #views: readonly NodeView[];
  readonly cpuFree: Float64Array;
  readonly memoryFree: Float64Array;
  readonly podsFree: Float64Array;
  /** One divided by all that the node has: what is free times this is the free share. */
  readonly cpuShare: Float64Array;
  readonly memoryShare: Float64Array;
  /** 1: takes pods now. */
  readonly open: Uint8Array;
  /** 0: welcome; the higher, the more only where nothing else is left: it will be emptied itself, or is marked. */
  readonly dislike: Uint8Array;
  /** Open nodes by how much they are disliked. */
  readonly byDislike: readonly NodeSet[] = Array.from({ length: dislikeMax + 1 }, () => new NodeSet());
  readonly #byName: ReadonlyMap<string, number>;
  readonly #othersFree = new Map<string, Float64Array>();
  readonly #topologies = new Map<string, Topology>();
  /** Every node is a domain of its own, whatever its labels. */
  readonly each: Topology;

  constructor(nodes: readonly NodeView[]) {
    this.#views = sorted(nodes);
    this.#byName = new Map(this.views.map((node, index) => [node.name, index]));
    this.cpuFree = Float64Array.from(this.views, ({ allocatable }) => allocatable.cpuMillis);
    this.memoryFree = Float64Array.from(this.views, ({ allocatable }) => allocatable.memoryBytes);
    this.podsFree = Float64Array.from(this.views, ({ allocatable }) => allocatable.pods);
    this.cpuShare = Float64Array.from(this.cpuFree, (all) => 1 / Math.max(1, all));
    this.memoryShare = Float64Array.from(this.memoryFree, (all) => 1 / Math.max(1, all));
    this.open = new Uint8Array(this.views.length);
    this.dislike = new Uint8Array(this.views.length);
    this.each = { key: '', domainOf: Int32Array.from(this.views, (_, index) => index), domains: this.views.length };
  }

  get views(): readonly NodeView[] {
    return this.#views;
  }

  get count(): number {
    return this.views.length;
  }

  /** Takes these for what the nodes are now; `false`: they differ in more than in who takes pods, and nothing is changed. */
  follow(nodes: readonly NodeView[]): boolean {
    const now = sorted(nodes);
    const isSame = now.length === this.count && now.every((node, index) => isAlike(node, this.at(index)));
    if (isSame) this.#views = now;
    return isSame;
  }

  /** Each in the state that its view says. Returns whether it changed which ones are open. */
  begin(pending: ReadonlyMap<string, PendingMark>): boolean {
    let isChanged = false;
    for (const [index, { name, ready, cordon, taints }] of this.#views.entries()) {
      const open = ready && cordon.kind === 'none' ? 1 : 0;
      isChanged ||= this.open[index] !== open;
      this.setState(index, open, dislikeOf(taints, pending.get(name)));
    }
    return isChanged;
  }

  setState(node: number, open: number, dislike: number): void {
    this.byDislike[this.dislike[node] ?? 0]?.delete(node);
    this.open[node] = open;
    this.dislike[node] = dislike;
    if (open === 1) this.byDislike[dislike]?.add(node);
  }

  /** `-1` for a node that is unknown, and for no node. */
  indexOf(name: string): number {
    return this.#byName.get(name) ?? -1;
  }

  at(index: number): NodeView {
    const view = this.views[index];
    if (!view) throw new RangeError(`no node ${index}`);
    return view;
  }

  othersFree(resource: string): Float64Array {
    const known = this.#othersFree.get(resource);
    if (known) return known;
    const made = Float64Array.from(this.views, ({ allocatable }) => allocatable.others[resource] ?? 0);
    this.#othersFree.set(resource, made);
    return made;
  }

  topology(key: string): Topology {
    const known = this.#topologies.get(key);
    if (known) return known;
    const names = new Map<string, number>();
    const domainOf = Int32Array.from(this.views, ({ labels }) => {
      const value = labels[key];
      if (value === undefined) return -1;
      const domain = names.get(value) ?? names.size;
      names.set(value, domain);
      return domain;
    });
    const made = { key, domainOf, domains: names.size };
    this.#topologies.set(key, made);
    return made;
  }
}

/**
 * Schedulers count the taints that they had better avoid. Those of the run itself count as if they stood there already, for
 * they will when it matters.
 */
function dislikeOf(taints: readonly Taint[], mark: PendingMark | undefined): number {
  const soft = taints.filter(({ effect }) => effect === 'PreferNoSchedule');
  const others = mark === undefined ? soft : soft.filter((taint) => !isPendingTaint(taint));
  return Math.min(dislikeMax, others.length + pendingKeys(mark).length);
}

function sorted(nodes: readonly NodeView[]): NodeView[] {
  return [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether everything that is reckoned up once is the same. */
function isAlike(a: NodeView, b: NodeView): boolean {
  if (a === b) return true;
  const { others, ...plain } = a.allocatable;
  const { others: othersThere, ...plainThere } = b.allocatable;
  return (
    a.name === b.name &&
    isSameRecord(a.labels, b.labels) &&
    isSameRecord(plain, plainThere) &&
    isSameRecord(others, othersThere) &&
    wallsOf(a) === wallsOf(b)
  );
}

function isSameRecord<T>(a: Readonly<Record<string, T>>, b: Readonly<Record<string, T>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function wallsOf({ taints }: NodeView): string {
  return taints
    .filter(isWall)
    .map(({ key, value = '', effect }) => `${key}=${value}:${effect}`)
    .sort()
    .join();
}
