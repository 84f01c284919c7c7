/**
 * Wake-ups over BullMQ: a queue per site for what is due now, and beside it a sorted set for what is due later.
 *
 * A job says whom to wake and nothing else; it is never retried by the queue. It decides nothing about the work: a
 * wake-up that comes twice, late or not at all changes when something is looked at, never what is done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';
import type { Logger } from '../../ports/logger.ts';
import type { WakeUp, WakeUps } from '../../ports/wake-ups.ts';
import { LaterWakeUps } from './later-wake-ups.ts';
import { QuietWarning } from './quiet-warning.ts';
import { SiteWorker } from './site-worker.ts';

/** Makes a new connection that reconnects for ever; the options override its own. */
export type Connect = (options: Omit<RedisOptions, 'replyMapping'>) => Redis;

export interface BullMqWakeUpsOptions {
  readonly connect: Connect;
  readonly logger: Logger;
  /** Keeps several installations apart in one Redis. */
  readonly namespace?: string;
  /** How many targets of one site are handled at once by this process. */
  readonly concurrency?: number;
  /** After how long without a sign of life a worker's targets go to others. */
  readonly stalledAfterMs?: number;
  /** How often it is looked whether a delayed wake-up is due. */
  readonly pollMs?: number;
}

const sendTimeoutMs = 5_000;
const retryPauseMs = 1_000;

interface Unsent {
  readonly target: WakeUp;
  readonly dueMs: number;
}

export class BullMqWakeUps implements WakeUps {
  readonly #options: BullMqWakeUpsOptions;
  readonly #prefix: string;
  readonly #commands: Redis;
  readonly #later: LaterWakeUps;
  readonly #warning: QuietWarning;
  readonly #queues = new Map<string, Queue<WakeUp>>();
  readonly #workers = new Set<SiteWorker>();
  /** What Redis could not be told yet, by target: the earliest of each. */
  readonly #unsent = new Map<string, Unsent>();
  readonly #closing = new AbortController();
  #resending: Promise<void> | undefined;

  constructor(options: BullMqWakeUpsOptions) {
    this.#options = options;
    this.#prefix = options.namespace === undefined ? 'pitcrew' : `pitcrew:${encodeURIComponent(options.namespace)}`;
    this.#warning = new QuietWarning(options.logger);
    this.#commands = options.connect({
      commandTimeout: sendTimeoutMs,
      socketTimeout: sendTimeoutMs + 1_000,
      autoResendUnfulfilledCommands: false,
      // Commands fail with the connection that they were sent on; sending again is decided here.
      maxRetriesPerRequest: 0,
    });
    this.#commands.setMaxListeners(100);
    // Without a listener the client would print to the console; every call rejects by itself.
    this.#commands.on('error', () => undefined);
    this.#later = new LaterWakeUps(this.#commands, this.#prefix);
  }

  /** Never rejects: what Redis cannot be told now it is told as soon as it is back. */
  async wake(target: WakeUp, delayMs: number): Promise<void> {
    const dueMs = Date.now() + Math.max(0, delayMs);
    try {
      // Others wait for Redis already: no use in every caller waiting for it, too.
      if (this.#unsent.size > 0 && this.#commands.status !== 'ready') throw new Error('Redis is away');
      await this.#send(target, dueMs);
    } catch (error) {
      this.#warning.warn({ error }, 'a wake-up could not be sent, trying again by itself');
      const key = keyOf(target);
      const earlier = this.#unsent.get(key);
      if (!earlier || earlier.dueMs > dueMs) this.#unsent.set(key, { target, dueMs });
      this.#resending ??= this.#resend().finally(() => (this.#resending = undefined));
    }
  }

  async work(
    sites: readonly string[],
    handle: (target: WakeUp, signal: AbortSignal) => Promise<void>,
  ): Promise<{ stop(): Promise<void> }> {
    const workers = sites.map(
      (site) =>
        new SiteWorker({
          site,
          queueName: queueNameOf(site),
          queuePrefix: `${this.#prefix}:queue`,
          connect: this.#options.connect,
          logger: this.#options.logger,
          warning: this.#warning,
          later: this.#later,
          wake: (target) => this.wake(target, 0),
          handle,
          concurrency: this.#options.concurrency ?? 100,
          stalledAfterMs: this.#options.stalledAfterMs ?? 10_000,
          pollMs: this.#options.pollMs ?? 250,
        }),
    );
    for (const worker of workers) this.#workers.add(worker);
    return {
      stop: async () => {
        await Promise.all(workers.map((worker) => worker.stop()));
        for (const worker of workers) this.#workers.delete(worker);
      },
    };
  }

  /** Stops all work, then ends the connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
    this.#closing.abort();
    await this.#resending;
    for (const queue of this.#queues.values()) discard(queue);
    this.#commands.disconnect();
  }

  async #send(target: WakeUp, dueMs: number): Promise<void> {
    // Named one by one: nothing else that a caller's object may carry gets into the queue.
    const { runId, server, site } = target;
    const data: WakeUp = server === undefined ? { runId, site } : { runId, server, site };
    if (dueMs > Date.now()) {
      await this.#later.add(data, dueMs);
      return;
    }
    const queue = this.#queueOf(site);
    const adding = queue.add('wake', data, {
      // While such a job waits, another is not needed. While it is being handled, one more follows it.
      deduplication: { id: keyOf(target), keepLastIfActive: true },
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: true,
    });
    try {
      await within(adding, sendTimeoutMs);
    } catch (error) {
      // A queue whose first connection failed never gets well again, so the next try makes a new one.
      if (this.#queues.get(site) === queue) this.#queues.delete(site);
      discard(queue);
      throw error;
    }
  }

  async #resend(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#unsent.size > 0 && !signal.aborted) {
      await sleep(retryPauseMs, undefined, { signal }).catch(() => undefined);
      for (const [key, unsent] of this.#unsent) {
        if (signal.aborted || this.#commands.status !== 'ready') break;
        try {
          await this.#send(unsent.target, unsent.dueMs);
          if (this.#unsent.get(key) === unsent) this.#unsent.delete(key);
        } catch (error) {
          this.#warning.warn({ error }, 'a wake-up could not be sent, trying again by itself');
          break;
        }
      }
    }
  }

  #queueOf(site: string): Queue<WakeUp> {
    const known = this.#queues.get(site);
    if (known) return known;
    const queue = new Queue<WakeUp>(queueNameOf(site), {
      connection: this.#commands,
      prefix: `${this.#prefix}:queue`,
      skipVersionCheck: true,
      skipMetasUpdate: true,
    });
    // The connection reports its own troubles, and every call rejects by itself.
    queue.on('error', () => undefined);
    this.#queues.set(site, queue);
    return queue;
  }
}

/** BullMQ builds its keys with colons and takes none in a name. */
function queueNameOf(site: string): string {
  return `pitcrew-${encodeURIComponent(site)}`;
}

function keyOf(target: WakeUp): string {
  return JSON.stringify([target.site, target.runId, target.server ?? null]);
}

function discard(queue: Queue<WakeUp>): void {
  // It shares our connection, so there is nothing to wait for.
  queue.close().catch(() => undefined);
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('Redis did not answer in time')), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
