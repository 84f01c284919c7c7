/**
 * Leases in Redis: a key that expires, and a counter that only grows.
 *
 * A holder counts the time by its own monotonic clock from before it asked, so it gives up before Redis can have
 * given the lease to somebody else. It never takes a lost lease back: whoever wants to go on acquires anew.
 */
import { randomUUID } from 'node:crypto';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Lease, Leases } from '../../ports/leases.ts';
import type { Logger } from '../../ports/logger.ts';
import { keysOf, type RedisKeys } from './keys.ts';
import type { RedisLink } from './redis-link.ts';

/**
 * A lease's value is `token id holder`. The id tells a request that is sent twice, because its answer was lost, from
 * somebody else's. KEYS: lease, fences. ARGV: name, id, holder, time to live.
 */
const acquireScript = `
local held = redis.call('GET', KEYS[1])
if held then
  local token, id, holder = string.match(held, '^(%d+) (%S+) (.*)$')
  if id ~= ARGV[2] then return {'held', holder} end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {'granted', token}
end
local token = redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return {'granted', tostring(token)}
`;

/** KEYS: lease. ARGV: value, time to live. */
const renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;

/** KEYS: lease. ARGV: value. */
const releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;

/** Share of the time to live after which an unrenewed lease counts as lost: the rest is for letting go of the work. */
const validShare = 0.8;

export interface RedisLeasesOptions {
  /** Who we are, for people: host and process. */
  readonly holder: string;
  readonly logger: Logger;
  readonly namespace?: string;
  readonly ttlMs?: number;
}

export class RedisLeases implements Leases {
  readonly #link: RedisLink;
  readonly #keys: RedisKeys;
  readonly #options: RedisLeasesOptions;
  readonly #ttlMs: number;

  constructor(link: RedisLink, options: RedisLeasesOptions) {
    this.#link = link;
    this.#keys = keysOf(options.namespace);
    this.#options = options;
    this.#ttlMs = options.ttlMs ?? 15_000;
  }

  async acquire(name: string): Promise<Lease | { readonly heldBy: string }> {
    const id = randomUUID();
    const { holder, logger } = this.#options;
    const key = this.#keys.lease(name);
    const [verdict, text, sentAtMs] = await this.#link.run('taking a lease', async (redis) => {
      const sentAtMs = performance.now();
      const answer = await redis.eval(acquireScript, 2, key, this.#keys.fences, name, id, holder, this.#ttlMs);
      return [...(answer as ['granted' | 'held', string]), sentAtMs] as const;
    });
    if (verdict === 'held') return { heldBy: text };
    const lease = new RedisLease(this.#link, logger, this.#ttlMs, key, { name, holder, token: Number(text), id });
    lease.keep(sentAtMs);
    return lease;
  }

  async holders(): Promise<Readonly<Record<string, string>>> {
    return this.#link.run('listing the leases', async (redis) => {
      const names = (await redis.hkeys(this.#keys.fences)).sort();
      if (names.length === 0) return {};
      const values = await redis.mget(names.map((name) => this.#keys.lease(name)));
      return Object.fromEntries(
        names.flatMap((name, index) => {
          const holder = /^\d+ \S+ (.*)$/.exec(values[index] ?? '')?.[1];
          return holder === undefined ? [] : [[name, holder]];
        }),
      );
    });
  }
}

class RedisLease implements Lease {
  readonly name: string;
  readonly holder: string;
  readonly token: number;
  readonly lost: AbortSignal;
  readonly #link: RedisLink;
  readonly #logger: Logger;
  readonly #ttlMs: number;
  readonly #key: string;
  readonly #value: string;
  readonly #loss = new AbortController();
  #renewal: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  /** Released or lost: nothing more is renewed. */
  #isOver = false;

  constructor(
    link: RedisLink,
    logger: Logger,
    ttlMs: number,
    key: string,
    grant: { name: string; holder: string; token: number; id: string },
  ) {
    this.name = grant.name;
    this.holder = grant.holder;
    this.token = grant.token;
    this.lost = this.#loss.signal;
    this.#link = link;
    this.#logger = logger;
    this.#ttlMs = ttlMs;
    this.#key = key;
    this.#value = `${grant.token} ${grant.id} ${grant.holder}`;
  }

  /** Counts as held for a while from `sentAtMs`, when Redis was asked, and is renewed meanwhile. */
  keep(sentAtMs: number): void {
    if (this.#isOver) return;
    clearTimeout(this.#expiry);
    const remainingMs = sentAtMs + this.#ttlMs * validShare - performance.now();
    if (remainingMs <= 0) {
      this.#lose('it could not be renewed in time');
      return;
    }
    this.#expiry = setTimeout(() => this.#lose('it could not be renewed in time'), remainingMs);
    this.#renewal = setTimeout(() => void this.#renew(), this.#ttlMs / 3);
  }

  async release(): Promise<void> {
    this.#stop();
    try {
      await this.#link.run('giving a lease back', (redis) => redis.eval(releaseScript, 1, this.#key, this.#value), {
        // Longer is of no use: by then it has expired by itself.
        patienceMs: Math.min(this.#ttlMs, 2_000),
      });
    } catch (error) {
      this.#logger.warn({ lease: this.name, error }, 'a lease could not be given back and will expire');
    }
  }

  async #renew(): Promise<void> {
    try {
      const [isOurs, sentAtMs] = await this.#link.run(
        'renewing a lease',
        async (redis) => {
          const sentAtMs = performance.now();
          return [await redis.eval(renewScript, 1, this.#key, this.#value, this.#ttlMs), sentAtMs] as const;
        },
        { patienceMs: this.#ttlMs },
      );
      if (isOurs === 1) this.keep(sentAtMs);
      else this.#lose('it has expired');
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : 'it could not be renewed');
    }
  }

  #lose(because: string): void {
    if (this.#isOver) return;
    this.#stop();
    const details = { lease: this.name, token: this.token };
    this.#loss.abort(
      new MaintenanceError('lease/lost', 'retry', `the lease ${this.name} is lost: ${because}`, { details }),
    );
  }

  #stop(): void {
    clearTimeout(this.#expiry);
    clearTimeout(this.#renewal);
    this.#isOver = true;
  }
}
