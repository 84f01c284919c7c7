/**
 * The nodes of the capacity model: what is free on each, which are open, and which domain of a topology each is in.
 *
 * It keeps numbers and decides nothing. Nodes are known by their place in the order of their names.
 */
import type { NodeView } from '../cluster/node.ts';

/** The domain of each node under one label; `-1` where a node does not have the label. */
export interface Topology {
  readonly key: string;
  readonly domainOf: Int32Array;
  readonly domains: number;
}

/** Some of the nodes, in an order that only depends on what was put in and taken out. */
export class NodeSet {
  readonly members: number[] = [];
  readonly #placeOf = new Map<number, number>();

  add(node: number): void {
    if (this.#placeOf.has(node)) return;
    this.#placeOf.set(node, this.members.length);
    this.members.push(node);
  }

  delete(node: number): void {
    const place = this.#placeOf.get(node);
    if (place === undefined) return;
    const last = this.members.pop();
    this.#placeOf.delete(node);
    if (last === undefined || last === node) return;
    this.members[place] = last;
    this.#placeOf.set(last, place);
  }
}

export class FitNodes {
  readonly views: readonly NodeView[];
  readonly cpuFree: Float64Array;
  readonly memoryFree: Float64Array;
  readonly podsFree: Float64Array;
  /** One divided by all that the node has: what is free times this is the free share. */
  readonly cpuShare: Float64Array;
  readonly memoryShare: Float64Array;
  /** 1: takes pods now. */
  readonly open: Uint8Array;
  /** 1: takes pods only where nothing else is left, because it will be emptied itself or is marked as unwelcome. */
  readonly later: Uint8Array;
  /** Open nodes: those that are welcome, and those that come second. */
  readonly welcome = new NodeSet();
  readonly second = new NodeSet();
  readonly #byName: ReadonlyMap<string, number>;
  readonly #othersFree = new Map<string, Float64Array>();
  readonly #topologies = new Map<string, Topology>();
  /** Every node is a domain of its own, whatever its labels. */
  readonly each: Topology;

  constructor(nodes: readonly NodeView[]) {
    this.views = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#byName = new Map(this.views.map((node, index) => [node.name, index]));
    this.cpuFree = Float64Array.from(this.views, ({ allocatable }) => allocatable.cpuMillis);
    this.memoryFree = Float64Array.from(this.views, ({ allocatable }) => allocatable.memoryBytes);
    this.podsFree = Float64Array.from(this.views, ({ allocatable }) => allocatable.pods);
    this.cpuShare = Float64Array.from(this.cpuFree, (all) => 1 / Math.max(1, all));
    this.memoryShare = Float64Array.from(this.memoryFree, (all) => 1 / Math.max(1, all));
    this.open = Uint8Array.from(this.views, ({ ready, cordon }) => (ready && cordon.kind === 'none' ? 1 : 0));
    this.later = Uint8Array.from(this.views, ({ taints }) =>
      taints.some(({ effect }) => effect === 'PreferNoSchedule') ? 1 : 0,
    );
    this.each = { key: '', domainOf: Int32Array.from(this.views, (_, index) => index), domains: this.views.length };
  }

  get count(): number {
    return this.views.length;
  }

  setState(node: number, open: number, later: number): void {
    this.open[node] = open;
    this.later[node] = later;
    const kept = later === 1 ? this.second : this.welcome;
    for (const set of [this.welcome, this.second]) {
      if (set !== kept || open === 0) set.delete(node);
    }
    if (open === 1) kept.add(node);
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
