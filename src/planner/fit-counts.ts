/**
 * How many pods of a certain sort are in each domain of a topology, kept up to date while pods move: what affinity,
 * anti-affinity and spread are decided from. It knows counts, and the pods only as one more or one less.
 */
import type { FitNodes, Topology } from './fit-nodes.ts';

export interface Count {
  /** One more (`1`) or one less (`-1`) on a node. */
  add(node: number, change: 1 | -1): void;
}

/** For required affinity and anti-affinity. */
export class DomainCount implements Count {
  readonly topology: Topology;
  total = 0;
  readonly #counts: Int32Array;

  constructor(topology: Topology) {
    this.topology = topology;
    this.#counts = new Int32Array(topology.domains);
  }

  add(node: number, change: 1 | -1): void {
    const domain = this.topology.domainOf[node] ?? -1;
    if (domain < 0) return;
    this.#counts[domain] = (this.#counts[domain] ?? 0) + change;
    this.total += change;
  }

  /** A node without the label is together with nobody. */
  near(node: number): number {
    const domain = this.topology.domainOf[node] ?? -1;
    return domain < 0 ? 0 : (this.#counts[domain] ?? 0);
  }
}

export interface SpreadLimits {
  readonly maxSkew: number;
  readonly minDomains: number;
  /** Nodes that count at all. */
  isEligible(node: number): boolean;
}

/** For one hard topology spread constraint, over the nodes that are eligible for the pods that have it. */
export class SpreadCount implements Count {
  readonly topology: Topology;
  readonly #limits: SpreadLimits;
  readonly #nodes: FitNodes;
  readonly #onNode: Int32Array;
  #counts: Int32Array;
  #isDomain: Uint8Array;
  #domains = 0;
  #lowest = 0;
  #isLowestKnown = false;

  constructor(nodes: FitNodes, topology: Topology, limits: SpreadLimits) {
    this.topology = topology;
    this.#limits = limits;
    this.#nodes = nodes;
    this.#onNode = new Int32Array(nodes.count);
    this.#counts = new Int32Array(topology.domains);
    this.#isDomain = new Uint8Array(topology.domains);
    this.refresh();
  }

  add(node: number, change: 1 | -1): void {
    this.#onNode[node] = (this.#onNode[node] ?? 0) + change;
    const domain = this.topology.domainOf[node] ?? -1;
    if (domain < 0 || !this.#limits.isEligible(node)) return;
    const before = this.#counts[domain] ?? 0;
    this.#counts[domain] = before + change;
    if (change === -1) this.#lowest = Math.min(this.#lowest, before - 1);
    else if (before === this.#lowest) this.#isLowestKnown = false;
  }

  /** After another set of nodes has become eligible. */
  refresh(): void {
    const { domainOf, domains } = this.topology;
    this.#counts = new Int32Array(domains);
    this.#isDomain = new Uint8Array(domains);
    for (let node = 0; node < this.#nodes.count; node += 1) {
      const domain = domainOf[node] ?? -1;
      if (domain < 0 || !this.#limits.isEligible(node)) continue;
      this.#isDomain[domain] = 1;
      this.#counts[domain] = (this.#counts[domain] ?? 0) + (this.#onNode[node] ?? 0);
    }
    this.#domains = this.#isDomain.reduce((sum, is) => sum + is, 0);
    this.#isLowestKnown = false;
  }

  /** Whether one more pod there would be too many; `adds`: the pod is one of those that are counted. */
  isTooMany(node: number, adds: boolean): boolean {
    const domain = this.topology.domainOf[node] ?? -1;
    if (domain < 0) return true;
    const lowest = this.#domains < this.#limits.minDomains ? 0 : this.#lowestCount();
    return (this.#counts[domain] ?? 0) + (adds ? 1 : 0) - lowest > this.#limits.maxSkew;
  }

  #lowestCount(): number {
    if (this.#isLowestKnown) return this.#lowest;
    let lowest = Number.POSITIVE_INFINITY;
    for (let domain = 0; domain < this.#counts.length; domain += 1) {
      if (this.#isDomain[domain] === 1) lowest = Math.min(lowest, this.#counts[domain] ?? 0);
    }
    this.#lowest = Number.isFinite(lowest) ? lowest : 0;
    this.#isLowestKnown = true;
    return this.#lowest;
  }
}
