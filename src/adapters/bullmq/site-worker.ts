/**
 * Takes the wake-ups of one site off its queue and hands them to the handler, until it is stopped.
 *
 * It never gives up on Redis and never fails a job: an exception of the handler is logged, and that was it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Logger } from '../../ports/logger.ts';
import type { WakeUp } from '../../ports/wake-ups.ts';
import type { Connect } from './bullmq-wake-ups.ts';
import type { LaterWakeUps } from './later-wake-ups.ts';
import type { QuietWarning } from './quiet-warning.ts';

export interface SiteWorkerOptions {
  readonly site: string;
  readonly queueName: string;
  readonly queuePrefix: string;
  readonly connect: Connect;
  readonly logger: Logger;
  readonly warning: QuietWarning;
  readonly later: LaterWakeUps;
  readonly wake: (target: WakeUp) => Promise<void>;
  readonly handle: (target: WakeUp, signal: AbortSignal) => Promise<void>;
  readonly concurrency: number;
  readonly stalledAfterMs: number;
  readonly pollMs: number;
}

const WakeUpData = z.object({ runId: z.string(), server: z.string().optional(), site: z.string() });

const restartPauseMs = 1_000;
/** For telling Redis that the last jobs are done; if it is away, they are handed out again later, to no harm. */
const closeTimeoutMs = 3_000;

/** BullMQ asks again at once when Redis refuses (because it is full, say), as fast as the answers come. */
class PatientWorker extends Worker<WakeUp> {
  protected override async moveToActive(token: string, name?: string): Promise<Job<WakeUp>> {
    try {
      return await super.moveToActive(token, name);
    } catch (error) {
      await sleep(restartPauseMs);
      throw error;
    }
  }
}

export class SiteWorker {
  readonly #options: SiteWorkerOptions;
  readonly #stop = new AbortController();
  readonly #inHand = new Set<Promise<void>>();
  readonly #connections = new Set<Redis>();
  readonly #running: Promise<unknown>;
  #worker: Worker<WakeUp> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: SiteWorkerOptions) {
    this.#options = options;
    this.#running = Promise.all([this.#keepWorking(), this.#keepTaking()]);
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#end());
  }

  async #end(): Promise<void> {
    this.#stop.abort(new Error('the worker stops'));
    // First no new ones, then the ones in hand, which may take their time, then the connections.
    // Without Redis the queue's own way to an end would wait for it.
    const isAway = [...this.#connections].some((connection) => connection.status !== 'ready');
    const closed = this.#worker?.close(isAway).catch(() => undefined);
    while (this.#inHand.size > 0) await Promise.allSettled(this.#inHand);
    const patience = new AbortController();
    await Promise.race([closed, sleep(closeTimeoutMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    for (const connection of this.#connections) connection.disconnect();
    await this.#running;
  }

  /** Makes the worker anew whenever it ends: one whose first connection failed never gets well again. */
  async #keepWorking(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const connection = this.#connect();
      const worker = this.#makeWorker(connection);
      this.#worker = worker;
      try {
        await Promise.race([worker.run(), aborted(signal)]);
      } catch (error) {
        this.#options.warning.warn({ site: this.#options.site, error }, 'a queue worker failed and is made anew');
      }
      if (signal.aborted) return;
      worker.close(true).catch(() => undefined);
      this.#disconnectAll();
      await sleep(restartPauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Hands on the delayed wake-ups of this site when they are due. */
  async #keepTaking(): Promise<void> {
    const { signal } = this.#stop;
    const { later, pollMs, site, wake, warning } = this.#options;
    while (!signal.aborted) {
      try {
        await later.take(site, Date.now(), wake);
      } catch (error) {
        warning.warn({ site, error }, 'delayed wake-ups could not be looked up, trying again by itself');
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** A connection that waits for Redis without limit, and that hands us every copy BullMQ makes of it. */
  #connect(): Redis {
    // The worker waits for jobs for up to ten seconds at a time; silence beyond that is a dead connection.
    const connection = this.#options.connect({ maxRetriesPerRequest: null, socketTimeout: 15_000 });
    connection.on('error', () => undefined);
    const duplicate = connection.duplicate.bind(connection);
    connection.duplicate = (override) => {
      const copy = duplicate(override);
      copy.on('error', () => undefined);
      this.#connections.add(copy);
      return copy;
    };
    this.#connections.add(connection);
    return connection;
  }

  #disconnectAll(): void {
    for (const connection of this.#connections) connection.disconnect();
    this.#connections.clear();
  }

  #makeWorker(connection: Redis): Worker<WakeUp> {
    const { concurrency, queueName, queuePrefix, site, stalledAfterMs, warning } = this.#options;
    const worker = new PatientWorker(queueName, (job) => this.#process(job), {
      connection,
      prefix: queuePrefix,
      autorun: false,
      concurrency,
      lockDuration: stalledAfterMs,
      stalledInterval: stalledAfterMs / 2,
      // A daemon that dies says nothing against the target it was looking at.
      maxStalledCount: 1_000_000,
      runRetryDelay: restartPauseMs,
      skipVersionCheck: true,
    });
    worker.on('error', (error) => warning.warn({ site, error }, 'the queue has trouble'));
    return worker;
  }

  async #process(job: Job<WakeUp>): Promise<void> {
    const parsed = WakeUpData.safeParse(job.data);
    if (!parsed.success) {
      this.#options.warning.warn({ site: this.#options.site }, 'a job in the queue is no wake-up and is dropped');
      return;
    }
    const handling = this.#handle(parsed.data);
    this.#inHand.add(handling);
    await handling.finally(() => this.#inHand.delete(handling));
  }

  async #handle(target: WakeUp): Promise<void> {
    const { handle, logger, wake } = this.#options;
    try {
      await handle(target, this.#stop.signal);
    } catch (error) {
      if (!this.#stop.signal.aborted) logger.error({ ...target, error }, 'handling a wake-up failed');
    }
    // Whoever still runs, or starts next, goes on with what we let go of.
    if (this.#stop.signal.aborted) await wake(target);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
