/**
 * Handing out places: which waiting servers may start now under budget, parallel limit, failure domains and capacity.
 *
 * Pure, and shared by the coordinator, which does it, and the forecast, which walks it in virtual time: what is predicted
 * is what happens. It knows neither windows nor pauses, and it never takes a place away.
 */

/** Servers of one failure domain that wait, in the order in which they shall start. */
export interface Queue {
  readonly domain: string;
  readonly servers: Iterable<string>;
}

/** The places as they are now. */
export interface Places {
  readonly maxUnavailable: number;
  readonly maxParallel: number;
  /** Servers that hold a place, halted ones too, with their domains. */
  readonly held: ReadonlyMap<string, string>;
  /** How many of them are being worked on. */
  readonly active: number;
  /** Targets that are out of service, whatever the reason; one that waits needs no further place in the budget. */
  readonly down: ReadonlySet<string>;
}

/**
 * Why this server may not be out of service together with those `besides`, or `undefined` where it may. It is asked last,
 * because it may be costly.
 */
export type Refuses = (server: string, besides: ReadonlySet<string>) => string | undefined;

export type Refusal =
  | { readonly kind: 'parallel'; readonly max: number }
  | { readonly kind: 'domain'; readonly busy: ReadonlySet<string> }
  | { readonly kind: 'budget'; readonly unavailable: number; readonly max: number }
  | { readonly kind: 'capacity'; readonly server: string; readonly because: string };

export interface Admission {
  readonly admitted: readonly string[];
  /** Why the first one that got no place got none. */
  readonly refusal?: Refusal | undefined;
}

/**
 * While others are at work, no more than so many are asked whether they fit: their end changes the answer, and asking is
 * costly. Where nobody is at work, everybody is asked, so that a run never waits for nothing.
 */
const capacityRefusalsMax = 8;

/** Domain by domain in the order of their names, servers without one last; within a domain as given. */
export function queuesOf(servers: Iterable<{ readonly name: string; readonly domain: string }>): Queue[] {
  const byDomain = new Map<string, string[]>();
  for (const { name, domain } of servers) {
    const queue = byDomain.get(domain);
    if (queue) queue.push(name);
    else byDomain.set(domain, [name]);
  }
  return [...byDomain]
    .map(([domain, names]) => ({ domain, servers: names }))
    .sort((a, b) => (rankOf(a.domain) < rankOf(b.domain) ? -1 : 1));
}

function rankOf(domain: string): string {
  return `${domain === '' ? 1 : 0}${domain}`;
}

/** As many as may start now; the domain in progress first, and no second one beside it. */
export function admit(queues: readonly Queue[], places: Places, refuses?: Refuses): Admission {
  const { maxUnavailable, maxParallel, held, active, down } = places;
  const holds = (server: string): boolean => held.has(server) || down.has(server);
  let unavailable = held.size + [...down].filter((server) => !held.has(server)).length;
  // Only made where somebody asks: it is large, and most admissions never need it.
  let besides: Set<string> | undefined;
  const busy = new Set(held.values());
  const admitted: string[] = [];
  let refusal: Refusal | undefined;
  let capacityRefusals = 0;
  const ordered = busy.size === 0 ? queues : [...queues].sort((a, b) => rankBusy(busy, a) - rankBusy(busy, b));
  for (const { domain, servers } of ordered) {
    for (const server of servers) {
      if (active + admitted.length >= maxParallel) {
        return { admitted, refusal: refusal ?? { kind: 'parallel', max: maxParallel } };
      }
      if (busy.size > 0 && !busy.has(domain)) {
        return { admitted, refusal: refusal ?? { kind: 'domain', busy } };
      }
      if (!holds(server) && unavailable >= maxUnavailable) {
        refusal ??= { kind: 'budget', unavailable, max: maxUnavailable };
        // Only one that is down already could still start.
        if (down.size === 0) return { admitted, refusal };
        continue;
      }
      if (refuses) besides ??= new Set([...held.keys(), ...down]);
      const because = besides && refuses?.(server, besides);
      if (because !== undefined) {
        refusal ??= { kind: 'capacity', server, because };
        capacityRefusals += 1;
        if (active + admitted.length > 0 && capacityRefusals >= capacityRefusalsMax) return { admitted, refusal };
        continue;
      }
      admitted.push(server);
      besides?.add(server);
      if (!holds(server)) unavailable += 1;
      busy.add(domain);
    }
  }
  return { admitted, refusal };
}

function rankBusy(busy: ReadonlySet<string>, { domain }: Queue): number {
  return busy.has(domain) ? 0 : 1;
}

export function sayRefusal(refusal: Refusal, { held, down }: Places): string {
  switch (refusal.kind) {
    case 'parallel':
      return `at most ${refusal.max} at once`;
    case 'domain':
      return `domain ${[...refusal.busy].sort().join(', ')} is still in progress`;
    case 'budget':
      return `budget: ${[...new Set([...held.keys(), ...down])].sort().join(', ') || 'none'} unavailable, at most ${refusal.max}`;
    case 'capacity':
      return `${refusal.server}: ${refusal.because}`;
  }
}
