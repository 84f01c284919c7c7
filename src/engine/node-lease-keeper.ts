/**
 * Keeps the maintenance Lease of a node for as long as a server is worked at, which may be longer than one lease lasts.
 *
 * It takes no lease by itself: that is the cordon's part. It never takes one over from somebody else.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Clock } from '../ports/clock.ts';
import { holdNodeLease } from '../steps/cordon.ts';
import type { StepContext } from '../steps/step.ts';
import type { ProgramStep } from '../workflow/definition.ts';
import type { Hold } from '../workflow/hold.ts';

const renewAfterMs = 10 * 60_000;
/** A lease lasts an hour; so long one that could not be renewed is still surely ours. */
const sureForMs = 45 * 60_000;

/** One per stretch of work at one server: whoever takes over asks first. */
export class NodeLeaseKeeper {
  readonly #clock: Clock;
  #heldMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns what to wait for where somebody else has taken the lease meanwhile. */
  async keep(step: ProgramStep, context: StepContext): Promise<Hold | undefined> {
    // Before the cordon there is nothing to keep, and what only lifts a cordon never held it.
    const isKept = step.kind !== 'prepare' && step.kind !== 'cordon' && context.definition.purpose !== 'return';
    const sinceMs = this.#clock.nowMs() - this.#heldMs;
    if (!isKept || sinceMs < renewAfterMs) return undefined;
    try {
      const taken = await holdNodeLease(context);
      if (!taken) this.#heldMs = this.#clock.nowMs();
      return taken;
    } catch (error) {
      const isPassing = error instanceof MaintenanceError && error.disposition !== 'halt';
      if (isPassing && sinceMs < sureForMs) return undefined;
      throw error;
    }
  }

  /** Keeps it also while a single command runs, which may take hours. Losing it then is said; the next round waits for it. */
  async during<T>(step: ProgramStep, context: StepContext, work: () => Promise<T>): Promise<T> {
    if (step.kind !== 'service' && step.kind !== 'verify') return work();
    const done = new AbortController();
    const renewing = this.#renew(step, context, AbortSignal.any([context.signal, done.signal]));
    // A bug in there is told below, and not before the command has ended.
    renewing.catch(() => undefined);
    try {
      return await work();
    } finally {
      done.abort();
      await renewing;
    }
  }

  async #renew(step: ProgramStep, context: StepContext, signal: AbortSignal): Promise<void> {
    const { logger, server } = context;
    for (;;) {
      try {
        await this.#clock.sleep(renewAfterMs, signal);
        const taken = await this.keep(step, { ...context, signal });
        if (taken) logger.warn({ server: server.name, hold: taken }, 'maintenance lease of the node is lost');
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof MaintenanceError)) throw error;
        logger.warn({ server: server.name, code: error.code }, 'maintenance lease of the node not renewed');
      }
    }
  }
}
