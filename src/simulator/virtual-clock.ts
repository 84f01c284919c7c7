/**
 * Time that passes only when it is told to: a clock for tests and rehearsals, in which an hour takes no time at all.
 * The driver lets everything run that can run, then jumps to the next moment at which somebody wakes up.
 */
import type { Clock } from '../ports/clock.ts';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly order: number;
  readonly wake: () => void;
  /** Woken by its signal before its time. */
  isUp: boolean;
}

export class VirtualClock implements Clock {
  #nowMs: number;
  #order = 0;
  /** Binary min-heap by (wakeAtMs, order): equal times wake in the order in which they fell asleep. */
  readonly #sleepers: Sleeper[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const wakeAtMs = this.#nowMs + Math.max(0, durationMs);
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const sleeper: Sleeper = { wakeAtMs, order: (this.#order += 1), wake, isUp: false };
      const onAbort = (): void => {
        sleeper.isUp = true;
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#push(sleeper);
    });
  }

  /**
   * Runs until `isDone` says so, nobody sleeps any more, or it is `untilMs`; then that is what the clock shows.
   * `setImmediate` lets every pending promise settle before time moves on.
   */
  async run(isDone: () => boolean, untilMs = Number.POSITIVE_INFINITY): Promise<'done' | 'idle' | 'late'> {
    for (;;) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      if (isDone()) return 'done';
      while (this.#sleepers[0]?.isUp) this.#pop();
      const next = this.#sleepers[0];
      if (!next || next.wakeAtMs > untilMs) {
        if (Number.isFinite(untilMs)) this.#nowMs = Math.max(this.#nowMs, untilMs);
        return next ? 'late' : 'idle';
      }
      this.#pop();
      this.#nowMs = Math.max(this.#nowMs, next.wakeAtMs);
      next.wake();
    }
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#sleepers;
    heap.push(sleeper);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at], heap[parent])) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#sleepers;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    heap[0] = last;
    let at = 0;
    for (;;) {
      let least = at;
      if (isBefore(heap[2 * at + 1], heap[least])) least = 2 * at + 1;
      if (isBefore(heap[2 * at + 2], heap[least])) least = 2 * at + 2;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#sleepers[a], this.#sleepers[b]];
    if (first && second) [this.#sleepers[a], this.#sleepers[b]] = [second, first];
  }
}

function isBefore(a: Sleeper | undefined, b: Sleeper | undefined): boolean {
  if (!a || !b) return false;
  return a.wakeAtMs === b.wakeAtMs ? a.order < b.order : a.wakeAtMs < b.wakeAtMs;
}
