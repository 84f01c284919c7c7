/**
 * Delays of the simulated controllers on a Clock. Nothing polls: whoever waits for something is told by a change, and
 * only a real delay sleeps.
 */
import { InvariantError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';

interface Task {
  readonly dueMs: number;
  readonly order: number;
  readonly act: () => void;
}

/** More steps than any world needs to come to rest: a controller that feeds itself would never end. */
const instantStepsMax = 1_000_000;

export class Timers {
  readonly #clock: Clock;
  readonly #sleeping = new Set<AbortController>();
  #isStopped = false;
  /** Set while time stands still and tasks run in the order of their due times. */
  #instant: Task[] | undefined;
  #instantMs = 0;
  #order = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  after(delayMs: number, act: () => void): void {
    if (this.#isStopped) return;
    if (this.#instant) {
      this.#order += 1;
      this.#instant.push({ dueMs: this.#instantMs + delayMs, order: this.#order, act });
      return;
    }
    const sleeping = new AbortController();
    this.#sleeping.add(sleeping);
    void this.#clock.sleep(delayMs, sleeping.signal).then(
      () => {
        this.#sleeping.delete(sleeping);
        if (!this.#isStopped) act();
      },
      () => undefined,
    );
  }

  /** Runs `work` and everything that follows from it to the end, without letting time pass. */
  runInstantly(work: () => void): void {
    const tasks: Task[] = [];
    this.#instant = tasks;
    this.#instantMs = 0;
    try {
      work();
      for (let steps = 0; tasks.length > 0; steps += 1) {
        if (steps > instantStepsMax) throw new InvariantError('the simulated controllers do not come to rest');
        const next = tasks.reduce((least, task) => (isBefore(task, least) ? task : least));
        tasks.splice(tasks.indexOf(next), 1);
        this.#instantMs = next.dueMs;
        next.act();
      }
    } finally {
      this.#instant = undefined;
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const sleeping of this.#sleeping) sleeping.abort();
    this.#sleeping.clear();
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.dueMs === b.dueMs ? a.order < b.order : a.dueMs < b.dueMs;
}

/** Collects what changed and works it off together after a delay, each key once. */
export class DirtyKeys {
  readonly #timers: Timers;
  readonly #delayMs: number;
  readonly #reconcile: (key: string) => void;
  #dirty = new Set<string>();

  constructor(timers: Timers, delayMs: number, reconcile: (key: string) => void) {
    this.#timers = timers;
    this.#delayMs = delayMs;
    this.#reconcile = reconcile;
  }

  add(key: string): void {
    if (this.#dirty.size === 0) this.#timers.after(this.#delayMs, () => this.#workOff());
    this.#dirty.add(key);
  }

  #workOff(): void {
    const keys = this.#dirty;
    this.#dirty = new Set();
    for (const key of keys) this.#reconcile(key);
  }
}
