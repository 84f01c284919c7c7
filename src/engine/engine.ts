/**
 * The engine of one daemon: takes wake-ups from the queue, and looks after all unfinished runs now and then, so that a
 * lost wake-up costs seconds and never a run.
 */
import { InvariantError, MaintenanceError } from '../errors/maintenance-error.ts';
import type { WakeUp } from '../ports/wake-ups.ts';
import { RunCoordinator } from './run-coordinator.ts';
import { Rooms } from './rooms.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { RunLog } from './run-log.ts';
import { ServerWorker } from './server-worker.ts';
import { coordinatorSite, type EngineWorld } from './world.ts';

export interface EngineOptions {
  /** Sites whose servers this daemon works on; left out: every site that a run names. */
  readonly sites?: readonly string[] | undefined;
  /** How often unfinished runs are looked after, in milliseconds. */
  readonly sweepMs: number;
}

/** Every so many sweeps, runs that have ended are looked at as well: there may be many of them. */
const endedSweep = 6;

export class Engine {
  readonly #world: EngineWorld;
  readonly #log: RunLog;
  readonly #options: EngineOptions;
  readonly #worker: ServerWorker;
  readonly #coordinator: RunCoordinator;
  readonly #rooms = new Rooms();
  readonly #stopped = new AbortController();
  /** Servers that this daemon has its hands on. */
  readonly #inHand = new Set<string>();
  /** Targets at which a bug of ours showed: left alone until somebody has looked and started the daemon anew. */
  readonly #broken = new Set<string>();
  #sweeps = 0;
  #sweeping: Promise<void> | undefined;
  readonly #queues = new Map<string, Promise<{ stop(): Promise<void> }>>();

  constructor(world: EngineWorld, log: RunLog, options: EngineOptions) {
    this.#world = world;
    this.#log = log;
    this.#options = options;
    this.#worker = new ServerWorker(world, log, this.#rooms);
    this.#coordinator = new RunCoordinator(world, log, this.#rooms, (runId, server) =>
      this.#inHand.has(`${runId}/${server}`),
    );
  }

  async start(): Promise<void> {
    for (const site of [coordinatorSite, ...(this.#options.sites ?? [])]) await this.#listen(site);
    this.#sweeping = this.#sweep();
  }

  /** Lets every worker stop at the next point where it can; what they were at is in the journal. */
  async stop(): Promise<void> {
    this.#stopped.abort(new MaintenanceError('lease/lost', 'retry', 'the daemon is shutting down'));
    await this.#sweeping;
    await Promise.all([...this.#queues.values()].map(async (queue) => (await queue).stop()));
  }

  /** Once per site, also when two runs ask for it at the same moment. */
  async #listen(site: string): Promise<void> {
    const known = this.#queues.get(site);
    const queue = known ?? this.#world.wakeUps.work([site], (target, signal) => this.#handle(target, signal));
    this.#queues.set(site, queue);
    try {
      await queue;
    } catch (error) {
      // Forgotten, so that the next look tries anew.
      this.#queues.delete(site);
      throw error;
    }
  }

  /** A site that came into the inventory after the daemon's start is worked for like any other. */
  async #listenForRun(runId: string, endedToo: boolean): Promise<RunState | undefined> {
    const isOver = this.#log.known(runId)?.ended !== undefined && !endedToo;
    const run = isOver ? undefined : await this.#log.run(runId);
    const sites = this.#options.sites ?? run?.definition.servers.map((server) => server.site) ?? [];
    for (const site of sites) await this.#listen(site);
    return run;
  }

  async #handle(target: WakeUp, queueSignal: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([queueSignal, this.#stopped.signal]);
    const { server } = target;
    if (this.#broken.has(keyOf(target))) return;
    try {
      if (server === undefined) {
        await this.#listenForRun(target.runId, true);
        await this.#coordinator.handle(target, signal);
      } else await this.#work({ ...target, server }, signal);
    } catch (error) {
      this.#explain(target, error);
    }
  }

  async #work(target: WakeUp & { server: string }, signal: AbortSignal): Promise<void> {
    const key = keyOf(target);
    if (this.#inHand.has(key)) return;
    this.#inHand.add(key);
    try {
      await this.#worker.handle(target, signal);
    } finally {
      this.#inHand.delete(key);
    }
  }

  /** Nothing is lost here: the journal stays, and the next sweep wakes the target again. */
  #explain(target: WakeUp, error: unknown): void {
    const { runId, server } = target;
    if (this.#stopped.signal.aborted) return;
    if (error instanceof MaintenanceError) {
      this.#world.logger.warn({ run: runId, server, code: error.code, message: error.message }, 'work interrupted');
      return;
    }
    // Trying again would do the same wrong thing again.
    this.#broken.add(keyOf(target));
    const text =
      error instanceof InvariantError ? 'invariant broken, this is a bug' : 'unexpected error, this is a bug';
    this.#world.logger.error({ run: runId, server, err: error }, text);
  }

  async #sweep(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#wakeUnfinished();
        await this.#world.clock.sleep(this.#options.sweepMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#explain({ runId: '', site: coordinatorSite }, error);
        await this.#world.clock.sleep(this.#options.sweepMs, signal).catch(() => undefined);
      }
    }
  }

  /** The coordinator wakes the servers, so one wake-up per run is enough. */
  async #wakeUnfinished(): Promise<void> {
    // A retry or a skip goes on with a run that had ended; where its wake-up was lost, nobody else would ever look.
    const endedToo = this.#sweeps % endedSweep === 0;
    this.#sweeps += 1;
    for (const runId of await this.#world.journal.runIds()) {
      const target = { runId, site: coordinatorSite };
      if (this.#broken.has(keyOf(target))) continue;
      try {
        const run = await this.#listenForRun(runId, endedToo);
        if (this.#log.known(runId)?.ended) this.#rooms.forget(runId);
        if (run && !run.ended) await this.#world.wakeUps.wake(target, 0);
      } catch (error) {
        // A journal that cannot be read must not keep the other runs from going on.
        if (error instanceof MaintenanceError) throw error;
        this.#explain(target, error);
      }
    }
  }
}

function keyOf({ runId, server }: WakeUp): string {
  return `${runId}/${server ?? ''}`;
}
