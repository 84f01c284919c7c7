/**
 * Wake-ups that are due later: one per target, the earliest.
 *
 * Not BullMQ's delayed jobs, because of two of them with the same id it keeps the first or the last, never the
 * earlier; so either an early one is swallowed by a late one, or they pile up.
 */
import type { Redis } from 'ioredis';
import type { WakeUp } from '../../ports/wake-ups.ts';

/** What was taken and not confirmed for so long was taken by somebody who died. */
const takenTimeoutMs = 10_000;
const batch = 200;

/**
 * Moves what is due to the taken ones, and takes over what others took and did not confirm.
 * KEYS: later, taken. ARGV: now, taken before, most.
 */
const takeScript = `
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, target in ipairs(due) do redis.call('ZREM', KEYS[1], target) end
for _, target in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', ARGV[2], 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
  due[#due + 1] = target
end
for _, target in ipairs(due) do redis.call('ZADD', KEYS[2], ARGV[1], target) end
return due
`;

export class LaterWakeUps {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  async add(target: WakeUp, dueMs: number): Promise<void> {
    // LT: an earlier one that is there already stays.
    await this.#redis.zadd(this.#laterKey(target.site), 'LT', dueMs, JSON.stringify(target));
  }

  /** Hands everything that is due to `wake`. What is not confirmed, because we die meanwhile, is handed out again. */
  async take(site: string, nowMs: number, wake: (target: WakeUp) => Promise<void>): Promise<void> {
    const keys = [this.#laterKey(site), this.#takenKey(site)] as const;
    const due = await this.#redis.eval(takeScript, 2, ...keys, nowMs, nowMs - takenTimeoutMs, batch);
    for (const text of due as string[]) {
      await wake(JSON.parse(text) as WakeUp);
      await this.#redis.zrem(keys[1], text);
    }
  }

  #laterKey(site: string): string {
    return `${this.#prefix}:later:${encodeURIComponent(site)}`;
  }

  #takenKey(site: string): string {
    return `${this.#prefix}:taken:${encodeURIComponent(site)}`;
  }
}
