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

export class FitNodes {
  readonly views: readonly NodeView[];
  readonly cpuFree: Float64Array;
  readonly memoryFree: Float64Array;
  readonly podsFree: Float64Array;
  /** 1: takes pods now. */
  readonly open: Uint8Array;
  /** 1: takes pods only where nothing else is left, because it will be emptied itself or is marked as unwelcome. */
  readonly later: Uint8Array;
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
    this.open = Uint8Array.from(this.views, ({ ready, cordon }) => (ready && cordon.kind === 'none' ? 1 : 0));
    this.later = Uint8Array.from(this.views, ({ taints }) =>
      taints.some(({ effect }) => effect === 'PreferNoSchedule') ? 1 : 0,
    );
    this.each = { key: '', domainOf: Int32Array.from(this.views, (_, index) => index), domains: this.views.length };
  }

  get count(): number {
    return this.views.length;
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
