/**
 * Leases in memory, for tests and rehearsals. Renewal always succeeds, without timers, until a test says otherwise;
 * so virtual time comes to rest when nobody has anything to do.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Lease, Leases } from '../ports/leases.ts';

interface Grant {
  readonly holder: string;
  readonly token: number;
  readonly loss: AbortController;
}

/** What all daemons of one simulated installation see. */
export class LeaseTable {
  readonly #clock: Clock;
  readonly #grants = new Map<string, Grant>();
  readonly #tokens = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  grant(name: string, holder: string): Grant | { readonly heldBy: string } {
    const held = this.#grants.get(name);
    if (held) return { heldBy: held.holder };
    const token = (this.#tokens.get(name) ?? 0) + 1;
    this.#tokens.set(name, token);
    const grant = { holder, token, loss: new AbortController() };
    this.#grants.set(name, grant);
    return grant;
  }

  isHeld(name: string, token: number): boolean {
    return this.#grants.get(name)?.token === token;
  }

  release(name: string, token: number): void {
    if (this.isHeld(name, token)) this.#grants.delete(name);
  }

  holders(): Record<string, string> {
    const sorted = [...this.#grants].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(sorted.map(([name, { holder }]) => [name, holder]));
  }

  /**
   * The lease runs out, from now on anybody may take it. Its holder notices after `noticedAfterMs`: until then it is
   * the one that slept too long and still believes.
   */
  expire(name: string, noticedAfterMs = 0): void {
    const grant = this.#grants.get(name);
    if (!grant) return;
    this.#grants.delete(name);
    const notice = (): void => {
      const message = `the lease ${name} is lost: it has expired`;
      grant.loss.abort(new MaintenanceError('lease/lost', 'retry', message, { details: { lease: name } }));
    };
    if (noticedAfterMs === 0) notice();
    else void this.#clock.sleep(noticedAfterMs).then(notice);
  }

  /** The holder was killed: it notices nothing any more, and what it held runs out after `ttlMs`. */
  forget(holder: string, ttlMs = 0): void {
    for (const [name, grant] of this.#grants) {
      if (grant.holder !== holder) continue;
      if (ttlMs === 0) this.#grants.delete(name);
      else void this.#clock.sleep(ttlMs).then(() => this.release(name, grant.token));
    }
  }
}

/** The leases as one daemon sees them. */
export class MemoryLeases implements Leases {
  readonly #table: LeaseTable;
  readonly #holder: string;

  constructor(table: LeaseTable, holder: string) {
    this.#table = table;
    this.#holder = holder;
  }

  async acquire(name: string): Promise<Lease | { readonly heldBy: string }> {
    const grant = this.#table.grant(name, this.#holder);
    if ('heldBy' in grant) return grant;
    return {
      name,
      holder: this.#holder,
      token: grant.token,
      lost: grant.loss.signal,
      release: async () => this.#table.release(name, grant.token),
    };
  }

  async holders(): Promise<Readonly<Record<string, string>>> {
    return this.#table.holders();
  }
}
