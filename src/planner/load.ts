/**
 * How full servers are by what their pods ask for, and how unevenly: the measure of the rebalancing. Pure.
 *
 * A server's load is the greater of CPU and memory, asked for by all pods bound to it, in percent of what pods may use.
 * Servers are compared only within their pool: with those that carry the same hard taints. Room is reckoned more strictly than
 * load: a pod that is moved takes it on both of its servers, because it runs on the one until it has arrived on the other.
 */
import type { NodeView } from '../cluster/node.ts';
import type { PodView } from '../cluster/pod.ts';
import type { Spread } from '../workflow/events.ts';

interface Sum {
  cpuMillis: number;
  memoryBytes: number;
  pods: number;
  readonly others: Map<string, number>;
}

interface Usage {
  readonly node: NodeView;
  /** Of a server of the run: the hard taints that it shares with the others of its pool. */
  readonly pool?: string | undefined;
  /** By the pods that belong there once all moves are over. */
  readonly asked: Sum;
  /** By those that are there or on their way: what was planned to leave may still be there. */
  readonly taken: Sum;
}

export interface PooledNode {
  readonly name: string;
  readonly percent: number;
}

/** Asks nothing of a node any more. */
export function isFinished(pod: PodView): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed';
}

/** What keeps pods away, rather than being disliked. */
function isHard({ effect }: { effect: string }): boolean {
  return effect === 'NoSchedule' || effect === 'NoExecute';
}

function poolOf(node: NodeView): string {
  const texts = node.taints.filter(isHard).map(({ key, value, effect }) => `${key}=${value ?? ''}:${effect}`);
  return texts.sort().join(' ');
}

/** Ready, and nobody wants it empty. Those alone are compared, given to and taken from. */
export function isInService(node: NodeView): boolean {
  return (
    node.ready && node.cordon.kind === 'none' && node.allocatable.cpuMillis > 0 && node.allocatable.memoryBytes > 0
  );
}

/** What is asked of every node in service; moves are made in it as they are planned. */
export class Loads {
  readonly #usages = new Map<string, Usage>();

  /** `servers`: names of the nodes that are compared. */
  constructor(nodes: readonly NodeView[], pods: readonly PodView[], servers: ReadonlySet<string>) {
    for (const node of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (!isInService(node)) continue;
      const pool = servers.has(node.name) ? poolOf(node) : undefined;
      this.#usages.set(node.name, { node, pool, asked: nothing(), taken: nothing() });
    }
    for (const pod of pods) {
      if (isFinished(pod)) continue;
      this.#ask(pod, pod.node, 1);
      this.expect(pod, pod.node);
    }
  }

  #ask(pod: PodView, name: string, sign: 1 | -1): void {
    const usage = this.#usages.get(name);
    if (usage) add(usage.asked, pod, sign);
  }

  /** It is on its way there, and takes room there from now on. */
  expect(pod: PodView, name: string): void {
    const usage = this.#usages.get(name);
    if (usage) add(usage.taken, pod, 1);
  }

  /** Its room on `from` is not given to others: who knows which of several moves is over first? */
  move(pod: PodView, from: string, to: string): void {
    this.#ask(pod, from, -1);
    this.#ask(pod, to, 1);
    this.expect(pod, to);
  }

  /** What `spread` would be after this move; nothing is changed. */
  spreadAfter(pod: PodView, from: string, to: string): Spread {
    this.#ask(pod, from, -1);
    this.#ask(pod, to, 1);
    const spread = this.spread();
    this.#ask(pod, to, -1);
    this.#ask(pod, from, 1);
    return spread;
  }

  /** In percent; 0 for a node that is not in service. */
  percentOf(name: string): number {
    return this.#percent(name, undefined, 0);
  }

  percentWith(name: string, pod: PodView): number {
    return this.#percent(name, pod, 1);
  }

  percentWithout(name: string, pod: PodView): number {
    return this.#percent(name, pod, -1);
  }

  #percent(name: string, pod: PodView | undefined, sign: 0 | 1 | -1): number {
    const usage = this.#usages.get(name);
    if (!usage) return 0;
    const { asked, node } = usage;
    const cpu = (asked.cpuMillis + sign * (pod?.requests.cpuMillis ?? 0)) / node.allocatable.cpuMillis;
    const memory = (asked.memoryBytes + sign * (pod?.requests.memoryBytes ?? 0)) / node.allocatable.memoryBytes;
    return 100 * Math.max(cpu, memory);
  }

  /** Whether there is room for one more pod like this, beside all that are there or on their way. */
  hasRoom(name: string, { requests }: PodView): boolean {
    const usage = this.#usages.get(name);
    if (!usage) return false;
    const { taken, node } = usage;
    const { cpuMillis, memoryBytes, pods, others } = node.allocatable;
    return (
      taken.pods + 1 <= pods &&
      taken.cpuMillis + requests.cpuMillis <= cpuMillis &&
      taken.memoryBytes + requests.memoryBytes <= memoryBytes &&
      Object.entries(requests.others).every(
        ([resource, amount]) => (taken.others.get(resource) ?? 0) + amount <= (others[resource] ?? 0),
      )
    );
  }

  /** How well the scheduler likes the node for this pod (`LeastAllocated`): the free share with it on, 0 to 100. */
  scoreOf(name: string, { node, requests }: PodView): number {
    const usage = this.#usages.get(name);
    if (!usage) return 0;
    const { allocatable } = usage.node;
    // Where it runs now it is counted already: an evicted pod makes room for its own replacement.
    const sign = node === name ? 0 : 1;
    const cpu = 1 - (usage.asked.cpuMillis + sign * requests.cpuMillis) / allocatable.cpuMillis;
    const memory = 1 - (usage.asked.memoryBytes + sign * requests.memoryBytes) / allocatable.memoryBytes;
    return 50 * (Math.max(0, cpu) + Math.max(0, memory));
  }

  /** All nodes in service, by name. */
  nodes(): NodeView[] {
    return [...this.#usages.values()].map(({ node }) => node);
  }

  /** The servers of the run, pool by pool, the emptiest first; equal ones by name. */
  pools(): PooledNode[][] {
    const pools = new Map<string, PooledNode[]>();
    for (const [name, { pool }] of this.#usages) {
      if (pool === undefined) continue;
      const members = pools.get(pool) ?? [];
      if (members.length === 0) pools.set(pool, members);
      members.push({ name, percent: this.percentOf(name) });
    }
    const byLoad = (a: PooledNode, b: PooledNode): number => a.percent - b.percent || (a.name < b.name ? -1 : 1);
    return [...pools.values()].map((members) => members.sort(byLoad));
  }

  /** Of the pool that is loaded most unevenly. */
  spread(): Spread {
    let worst: Spread = { points: 0 };
    for (const members of this.pools()) {
      const [emptiest, fullest] = [members[0], members.at(-1)];
      if (!emptiest || !fullest) continue;
      const points = tenths(fullest.percent - emptiest.percent);
      if (worst.fullest && points <= worst.points) continue;
      worst = { points, fullest: loadOf(fullest), emptiest: loadOf(emptiest) };
    }
    return worst;
  }
}

function nothing(): Sum {
  return { cpuMillis: 0, memoryBytes: 0, pods: 0, others: new Map() };
}

function add(sum: Sum, { requests }: PodView, sign: 1 | -1): void {
  sum.cpuMillis += sign * requests.cpuMillis;
  sum.memoryBytes += sign * requests.memoryBytes;
  sum.pods += sign;
  for (const [resource, amount] of Object.entries(requests.others)) {
    sum.others.set(resource, (sum.others.get(resource) ?? 0) + sign * amount);
  }
}

function loadOf({ name, percent }: PooledNode): { node: string; percent: number } {
  return { node: name, percent: tenths(percent) };
}

/** For people and the journal: a tenth of a point is more than anybody wants to know. */
export function tenths(percent: number): number {
  return Math.round(percent * 10) / 10;
}
