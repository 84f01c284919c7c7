/**
 * Which servers may be out of service together: what has to move off them has to fit on the others, and the control plane
 * has to keep its majority. Pure; asked by the coordinator, just before each cordon, and by the forecast in virtual time.
 *
 * It never says when: it answers for one server beside those that are out already, and remembers what it was told, so
 * that a server that is no longer out is empty and welcome.
 */
import { ControlPlane } from '../cluster/control-plane.ts';
import { pendingMarkOf, type PendingMark } from '../cluster/pending.ts';
import type { ClusterView } from '../cluster/view.ts';
import { judgePod } from '../evacuation/verdict.ts';
import type { EvacuationPolicy } from '../spec/plan.ts';
import type { Refuses } from '../workflow/admission.ts';
import type { RunServer } from '../workflow/definition.ts';
import { Fit, type Mark, type Move } from './fit.ts';

export interface CapacityInput {
  readonly view: ClusterView;
  /** All of the run. */
  readonly servers: readonly Pick<RunServer, 'name' | 'node' | 'keepsRoom'>[];
  /** Those that the run will not come to any more. */
  readonly ended: ReadonlySet<string>;
  readonly evacuation: EvacuationPolicy;
}

const nobody: ReadonlySet<string> = new Set();

export class Capacity {
  readonly #servers: CapacityInput['servers'];
  readonly #nodeOf: ReadonlyMap<string, string>;
  readonly #fit: Fit;
  #seen: Pick<CapacityInput, 'view' | 'ended'>;
  #controlPlane: ControlPlane;
  /** Nodes that the model has emptied. */
  readonly #out = new Set<string>();
  /** Why a node that is being emptied cannot be. */
  readonly #stuck = new Map<string, string>();
  #stuckFirst: ReadonlyMap<string, string> = new Map();
  #begin: Mark;
  #moves = new Map<string, readonly Move[]>();

  constructor({ view, servers, ended, evacuation }: CapacityInput) {
    this.#servers = servers;
    this.#seen = { view, ended };
    this.#controlPlane = new ControlPlane(view);
    this.#nodeOf = new Map(servers.map(({ name, node }) => [name, node]));
    this.#fit = new Fit({
      view,
      // A pod that may not be moved at all holds its server up by itself; it needs no place elsewhere.
      leaves: (pod) => judgePod(pod, [], evacuation).kind === 'moves',
      pending: this.#pendingWithout(ended),
    });
    this.#begin = this.#reserveBegun(view);
  }

  /** As if it was made of this view, and nobody asked yet; `false`: it cannot be, and another one has to be made. */
  follow({ view, ended }: Pick<CapacityInput, 'view' | 'ended'>): boolean {
    if (view === this.#seen.view && isSameSet(ended, this.#seen.ended)) {
      this.reset();
      return true;
    }
    this.#seen = { view, ended };
    if (!this.#fit.follow({ view, pending: this.#pendingWithout(ended) })) return false;
    this.#controlPlane = new ControlPlane(view);
    this.#out.clear();
    this.#stuck.clear();
    this.#moves = new Map();
    this.#begin = this.#reserveBegun(view);
    return true;
  }

  /** Where the pods of each server went that was asked about since the beginning, or the last reset. */
  get moves(): ReadonlyMap<string, readonly Move[]> {
    return this.#moves;
  }

  /** Where nothing is said against it, the server is taken to go out now. */
  readonly refuses: Refuses = (server, besides) => {
    const others = new Set([...besides].map((name) => this.#nodeOf.get(name) ?? name));
    const node = this.#nodeOf.get(server) ?? server;
    others.delete(node);
    return this.#controlPlane.refusal(node, others) ?? this.#crowding(server, node, others);
  };

  /** The first state again: nobody was asked about yet. */
  reset(): void {
    this.#fit.rewind(this.#begin);
    this.#out.clear();
    this.#moves = new Map();
    this.#stuck.clear();
    for (const [node, because] of this.#stuckFirst) this.#stuck.set(node, because);
  }

  /**
   * Those of a wave that could not be emptied however long one waited, and why: none of the others of the wave has to be
   * out, and all that could go have been, came back, and are empty.
   */
  impossible(wave: readonly string[]): Map<string, string> {
    let left = new Map(wave.map((server) => [server, '']));
    for (;;) {
      const still = new Map<string, string>();
      for (const server of left.keys()) {
        const because = this.#crowding(server, this.#nodeOf.get(server) ?? server, nobody);
        if (because !== undefined) still.set(server, because);
      }
      if (still.size === left.size) return still;
      left = still;
    }
  }

  #crowding(server: string, node: string, others: ReadonlySet<string>): string | undefined {
    this.#follow(others, node);
    const [stuck] = [...this.#stuck].filter(([name]) => others.has(name));
    if (stuck) return `${stuck[0]} is still being emptied, and ${stuck[1]}`;
    const emptied = this.#fit.empty(node);
    if (emptied.kind === 'stuck') return emptied.because;
    this.#out.add(node);
    this.#moves.set(server, emptied.moves);
    return undefined;
  }

  /** Makes the model what it is told: those that came back take pods again, those that went out are emptied. */
  #follow(others: ReadonlySet<string>, asked: string): void {
    for (const node of this.#out) {
      if (others.has(node) || node === asked) continue;
      this.#out.delete(node);
      this.#stuck.delete(node);
      this.#fit.reopen(node);
    }
    const fresh = [...others].filter((node) => !this.#out.has(node));
    for (const node of fresh.sort()) {
      // Closed from the beginning, for whatever reason: what has to be said of it has been said.
      if (!this.#fit.isOpen(node)) this.#out.add(node);
      // One that has a place and no room will find that out before its cordon, and stay in service.
      else if (this.#fit.empty(node).kind === 'fits') this.#out.add(node);
    }
  }

  /** By node. */
  #pendingWithout(ended: ReadonlySet<string>): Map<string, PendingMark> {
    const waiting = this.#servers.filter(({ name }) => !ended.has(name));
    return new Map(waiting.map((server) => [server.node, pendingMarkOf(server)]));
  }

  /** Being emptied now, by whichever run: what is still there is going to need room. */
  #reserveBegun({ nodes }: ClusterView): Mark {
    const begun = nodes.filter(({ cordon }) => cordon.kind === 'ours').map(({ name }) => name);
    for (const node of begun.sort()) this.#reserve(node);
    this.#stuckFirst = new Map(this.#stuck);
    return this.#fit.mark();
  }

  /** Cordoned by a run: it is being emptied, whether or not there is room. */
  #reserve(node: string): void {
    const because = this.#fit.emptyAsFarAsPossible(node);
    if (because !== undefined) this.#stuck.set(node, because);
  }
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
