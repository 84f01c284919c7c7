/**
 * One command at a time for each BMC, with a pause between two: bursts and parallel sessions freeze many BMCs.
 *
 * It decides when a command may start, never what it is. Lanes are shared by everything in this process that talks to
 * the same address and port, so hand one `BmcLanes` to every adapter.
 */
import type { Clock } from '../../ports/clock.ts';
import { abortable } from '../../errors/abortable.ts';

export class BmcLanes {
  readonly #clock: Clock;
  readonly #lanes = new Map<string, BmcLane>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(address: string, port: number): BmcLane {
    const key = `${address}:${port}`;
    const lane = this.#lanes.get(key) ?? new BmcLane(this.#clock);
    this.#lanes.set(key, lane);
    return lane;
  }
}

export class BmcLane {
  readonly #clock: Clock;
  #last: Promise<void> = Promise.resolve();
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `act` when everything before it has ended and the pause is over. An abort ends the waiting at once. */
  async run<T>(pauseMs: number, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const turn = Promise.withResolvers<void>();
    // Whoever comes next waits for those before us too: we may give up our place while they still run.
    this.#last = before.then(() => turn.promise);
    try {
      await abortable(before, signal);
      const waitMs = this.#freeAtMs - this.#clock.nowMs();
      // A clock that was set back must not hold the lane for longer than the pause itself.
      if (waitMs > 0) await this.#clock.sleep(Math.min(waitMs, pauseMs), signal);
      signal.throwIfAborted();
      try {
        return await act();
      } finally {
        // From the end of the command, failed or not: the BMC had the work in either case.
        this.#freeAtMs = this.#clock.nowMs() + pauseMs;
      }
    } finally {
      turn.resolve();
    }
  }
}
