/** The queue: it only wakes us. A wake-up may be lost, late or come twice without harm; it carries no state. */

/** No `server`: the run's coordinator. */
export interface WakeUp {
  readonly runId: string;
  readonly server?: string | undefined;
  /** Which queue: workers of a site sit beside the BMC network that they serve. */
  readonly site: string;
}

export interface WakeUps {
  wake(target: WakeUp, delayMs: number): Promise<void>;
  /** Handles wake-ups of these sites until stopped; `stop` waits for the handlers in hand. */
  work(
    sites: readonly string[],
    handle: (target: WakeUp, signal: AbortSignal) => Promise<void>,
  ): Promise<{ stop(): Promise<void> }>;
}
