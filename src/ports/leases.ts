/** Who may act. A lease has a fencing token, so that a holder who woke up too late can no longer write. */

export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Grows with every grant of this name; journal writes carry it. */
  readonly token: number;
  /** Aborted with `lease/lost` once it could not be renewed in time. Everything done under the lease listens to it. */
  readonly lost: AbortSignal;
  /** Ends renewing and gives it back. Never rejects: an unreachable store lets it expire. */
  release(): Promise<void>;
}

export interface Leases {
  /** Taken and renewed by itself until released; or who holds it. Never waits. */
  acquire(name: string): Promise<Lease | { readonly heldBy: string }>;
  /** Current holders by lease name, for `servers` and `doctor`. */
  holders(): Promise<Readonly<Record<string, string>>>;
}
