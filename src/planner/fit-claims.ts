/**
 * The claims that pods use, for the capacity model: a volume that only one node may have at a time keeps those that share it
 * together. It counts users, and decides nothing.
 */
import type { PodView } from '../cluster/pod.ts';
import type { ClaimView } from '../cluster/storage.ts';
import { DomainCount } from './fit-counts.ts';
import { claimKeysOf, claimsInOrder } from './fit-keys.ts';
import type { FitNodes } from './fit-nodes.ts';

interface Used {
  readonly volume: string;
  users: number;
  /** Where its users are, if they have to be together. */
  shared: DomainCount | undefined;
}

export class FitClaims {
  readonly #nodes: FitNodes;
  readonly #known: ReadonlyMap<string, ClaimView>;
  readonly #used = new Map<string, Used>();

  constructor(nodes: FitNodes, claims: readonly ClaimView[]) {
    this.#nodes = nodes;
    this.#known = claimsInOrder(claims);
  }

  /** By key; `undefined`: nobody uses it, or it is unknown. */
  get(key: string): Readonly<Used> | undefined {
    return this.#used.get(key);
  }

  /** `false`: from now on others have to be together with this pod. */
  add(pod: PodView): boolean {
    let isPlain = true;
    for (const key of claimKeysOf(pod)) {
      const claim = this.#known.get(key);
      if (!claim) continue;
      const used = this.#used.get(key);
      if (!used) {
        this.#used.set(key, { volume: claim.volume, users: 1, shared: undefined });
        continue;
      }
      used.users += 1;
      if (!claim.isOnOneNode || used.shared) continue;
      used.shared = new DomainCount(this.#nodes.each);
      isPlain = false;
    }
    return isPlain;
  }

  /** `false`: one that is left no longer has to be together with others. */
  remove(pod: PodView): boolean {
    let isPlain = true;
    for (const key of claimKeysOf(pod)) {
      const used = this.#used.get(key);
      if (!used) continue;
      used.users -= 1;
      if (used.users === 0) this.#used.delete(key);
      else if (used.users === 1 && used.shared) isPlain = false;
    }
    return isPlain;
  }
}
