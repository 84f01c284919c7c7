/**
 * The queue in memory: wakes in virtual time, and on request loses, repeats and delays some of what it is given.
 *
 * As in the real one, a target is handled by one worker at a time, a wake-up that comes meanwhile leads to one more
 * handling afterwards, and of several delayed ones only the earliest is kept.
 */
import type { Clock, Random } from '../ports/clock.ts';
import type { WakeUp, WakeUps } from '../ports/wake-ups.ts';

/** Shares are between 0 and 1. */
export interface WakeUpFaults {
  loseShare: number;
  /** Handled by two workers at once, as after a stall. */
  duplicateShare: number;
  delayShare: number;
  /** How much later a delayed one comes. */
  delayMs: number;
}

export interface MemoryWakeUpsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults?: Partial<WakeUpFaults>;
}

type Handle = (target: WakeUp, signal: AbortSignal) => Promise<void>;

interface Worker {
  readonly sites: ReadonlySet<string>;
  readonly handle: Handle;
  readonly stop: AbortController;
  readonly inHand: Set<Promise<void>>;
  isKilled: boolean;
}

interface Target {
  readonly target: WakeUp;
  isWaiting: boolean;
  /** Who handles it. */
  activeBy: Worker | undefined;
  /** When its one delayed wake-up is due. */
  dueMs: number | undefined;
}

export class MemoryWakeUps implements WakeUps {
  readonly faults: WakeUpFaults;
  /** What handlers threw: nobody else hears of it. */
  readonly failures: unknown[] = [];
  /** How often a handler was called, for the checkers. */
  handled = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #targets = new Map<string, Target>();
  readonly #workers: Worker[] = [];

  constructor(options: MemoryWakeUpsOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.faults = { loseShare: 0, duplicateShare: 0, delayShare: 0, delayMs: 0, ...options.faults };
  }

  async wake(target: WakeUp, delayMs: number): Promise<void> {
    if (this.#happens(this.faults.loseShare)) return;
    const laterMs = this.#happens(this.faults.delayShare) ? this.faults.delayMs : 0;
    const state = this.#stateOf(target);
    if (delayMs + laterMs <= 0) {
      this.#enqueue(state);
      return;
    }
    const dueMs = this.#clock.nowMs() + delayMs + laterMs;
    if (state.dueMs !== undefined && state.dueMs <= dueMs) return;
    state.dueMs = dueMs;
    void this.#clock.sleep(delayMs + laterMs).then(() => {
      // An earlier one has taken its place.
      if (state.dueMs !== dueMs) return;
      state.dueMs = undefined;
      this.#enqueue(state);
    });
  }

  /** `kill` is what happens to a daemon that dies: its work comes to somebody else after `redeliverAfterMs`. */
  async work(
    sites: readonly string[],
    handle: Handle,
  ): Promise<{ stop(): Promise<void>; kill(redeliverAfterMs: number): void }> {
    const worker: Worker = {
      sites: new Set(sites),
      handle,
      stop: new AbortController(),
      inHand: new Set(),
      isKilled: false,
    };
    this.#workers.push(worker);
    for (const state of this.#targets.values()) this.#dispatch(state);
    const leave = (): void => {
      const at = this.#workers.indexOf(worker);
      if (at >= 0) this.#workers.splice(at, 1);
    };
    return {
      stop: async () => {
        leave();
        worker.stop.abort(new Error('the worker stops'));
        await Promise.all(worker.inHand);
      },
      kill: (redeliverAfterMs) => {
        leave();
        worker.isKilled = true;
        void this.#clock.sleep(redeliverAfterMs).then(() => {
          for (const state of this.#targets.values()) {
            if (state.activeBy !== worker) continue;
            state.activeBy = undefined;
            this.#enqueue(state);
          }
        });
      },
    };
  }

  #enqueue(state: Target): void {
    state.isWaiting = true;
    this.#dispatch(state);
  }

  #dispatch(state: Target): void {
    if (!state.isWaiting || state.activeBy) return;
    const able = this.#workers.filter((worker) => worker.sites.has(state.target.site));
    const worker = able[Math.floor(this.#random.next() * able.length)];
    if (!worker) return;
    state.isWaiting = false;
    state.activeBy = worker;
    this.#run(worker, state, () => {
      state.activeBy = undefined;
      // Somebody else, or the next start, goes on with what a stopping worker let go of.
      if (worker.stop.signal.aborted) state.isWaiting = true;
      this.#dispatch(state);
    });
    if (!this.#happens(this.faults.duplicateShare)) return;
    this.#run(able[Math.floor(this.#random.next() * able.length)] ?? worker, state, () => undefined);
  }

  #run(worker: Worker, state: Target, ended: () => void): void {
    this.handled += 1;
    const handling = (async () => {
      // The one who wakes goes on first, as with a real queue.
      await Promise.resolve();
      try {
        await worker.handle(state.target, worker.stop.signal);
      } catch (error) {
        this.failures.push(error);
      }
    })().then(() => {
      worker.inHand.delete(handling);
      if (!worker.isKilled) ended();
    });
    worker.inHand.add(handling);
  }

  #stateOf(target: WakeUp): Target {
    const key = JSON.stringify([target.site, target.runId, target.server]);
    const state = this.#targets.get(key) ?? { target, isWaiting: false, activeBy: undefined, dueMs: undefined };
    this.#targets.set(key, state);
    return state;
  }

  /** Draws only where there is something to draw for, so that a run without faults stays the same run. */
  #happens(share: number): boolean {
    return share > 0 && this.#random.next() < share;
  }
}
