/**
 * Starts the runs of plans that say `startAutomatically`, once for every opening of their windows, whoever is restarted,
 * however the clock jumps and however many daemons look at the same plan.
 *
 * What makes it once is the journal: the run's id comes from the plan and the opening, and only one can be the first to
 * write under it. It never starts for an opening that is over, and never beside a run of the plan that goes on.
 */
import { createHash } from 'node:crypto';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { DocumentSource } from '../ports/documents.ts';
import { nextStart, stateAt, windowLastsMsMax, type Opening, type Schedule } from '../schedule/schedule.ts';
import type { MaintenancePlan } from '../spec/plan.ts';
import { scheduleOf } from '../spec/plan-schedule.ts';
import type { Commands } from './commands.ts';
import type { RunLog } from './run-log.ts';
import type { EngineWorld } from './world.ts';

/** Short, so that a clock that jumps is noticed soon. */
const usualTickMs = 5_000;
/** Reading all documents costs more than a look at the clock. */
const readAgainMs = 60_000;
const tryAgainMs = 30_000;

interface SchedulerInput {
  readonly world: EngineWorld;
  readonly log: RunLog;
  readonly documents: DocumentSource;
  readonly commands: Pick<Commands, 'start'>;
  /** How often it looks at the clock. */
  readonly tickMs?: number | undefined;
}

export class Scheduler {
  readonly #input: SchedulerInput;
  readonly #stopped = new AbortController();
  #plans: readonly MaintenancePlan[] = [];
  #readAtMs: number | undefined;
  /** By the run of an opening: when it was tried last, or that nothing is left to do for that opening. */
  readonly #tried = new Map<string, number | 'settled'>();
  /** What was said last about a plan, so that it is said once and not every few seconds. */
  readonly #said = new Map<string, string>();
  #working: Promise<void> | undefined;

  constructor(input: SchedulerInput) {
    this.#input = input;
  }

  start(): void {
    this.#working = this.#work();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopped;
    const { world, tickMs } = this.#input;
    while (!signal.aborted) {
      await this.#guarded('', () => this.#look());
      await world.clock.sleep(tickMs ?? usualTickMs, signal).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const nowMs = this.#input.world.clock.nowMs();
    const ageMs = this.#readAtMs === undefined ? Number.POSITIVE_INFINITY : Math.abs(nowMs - this.#readAtMs);
    if (ageMs >= readAgainMs) await this.#read(nowMs);
    if (this.#due(nowMs).length === 0) return;
    // What was read a minute ago may have been changed since: by somebody who wants to keep this run from starting.
    await this.#read(nowMs);
    for (const { plan, opening } of this.#due(nowMs)) {
      const runId = openingRunId(plan, opening);
      this.#tried.set(runId, nowMs);
      await this.#guarded(plan, async () => {
        await this.#startOnce(plan, opening, runId);
        this.#tried.set(runId, 'settled');
      });
    }
  }

  #due(nowMs: number): { plan: string; opening: Opening }[] {
    return this.#plans.flatMap((plan) => {
      const opening = dueOpening(plan, nowMs);
      if (!opening) return [];
      const { name } = plan.metadata;
      const tried = this.#tried.get(openingRunId(name, opening));
      const isTime = tried === undefined || (tried !== 'settled' && Math.abs(nowMs - tried) >= tryAgainMs);
      return isTime ? [{ plan: name, opening }] : [];
    });
  }

  async #read(nowMs: number): Promise<void> {
    // Also where it fails: documents that are wrong are not read every few seconds.
    this.#readAtMs = nowMs;
    this.#plans = [];
    this.#plans = (await this.#input.documents.read()).plans;
  }

  async #startOnce(plan: string, opening: Opening, runId: string): Promise<void> {
    const { commands, log, world } = this.#input;
    if (await this.#isTaken(plan, opening, runId)) return;
    try {
      await commands.start(plan, 'schedule', runId);
    } catch (error) {
      // Another daemon was faster; whether it is refused or meets a conflict, its run is the one.
      if (error instanceof MaintenanceError && (await log.run(runId))) return;
      throw error;
    }
    world.logger.info({ plan, run: runId, opening: opening.fromMs }, 'window has opened, run started');
  }

  /** An opening belongs to the run that goes on into it, or that was started or came to its end in it. */
  async #isTaken(plan: string, opening: Opening, runId: string): Promise<boolean> {
    const { log, world } = this.#input;
    for (const id of await world.journal.runIds()) {
      const known = log.known(id) ?? (await log.run(id));
      if (known?.definition.purpose !== 'maintenance' || known.definition.plan !== plan) continue;
      // A run that has ended goes on when somebody retries one of its servers.
      const run = await log.run(id);
      const lastMs = run?.ended ? Math.max(run.createdMs, run.ended.atMs) : Number.POSITIVE_INFINITY;
      if (id === runId || lastMs >= opening.fromMs) return true;
    }
    return false;
  }

  /** What cannot be done now is tried again at the next look, as long as the window is open. */
  async #guarded(plan: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#said.delete(plan);
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      if (this.#said.get(plan) === message) return;
      this.#said.set(plan, message);
      const { logger } = this.#input.world;
      if (error instanceof MaintenanceError) {
        logger.warn({ plan, code: error.code, message }, 'no run could be started by itself');
      } else logger.error({ plan, err: error }, 'unexpected error, this is a bug');
    }
  }
}

/** The opening for which a run of this plan has to be there now: one that is open, and in which a server would finish. */
function dueOpening({ spec }: MaintenancePlan, nowMs: number): Opening | undefined {
  if (!spec.schedule?.startAutomatically) return undefined;
  const schedule: Schedule = scheduleOf(spec.schedule);
  const state = stateAt(schedule, nowMs);
  // Of windows that never shut nobody can say when they opened.
  if (state.kind !== 'open' || nowMs - state.opening.fromMs > windowLastsMsMax) return undefined;
  return nextStart(schedule, nowMs, schedule.estimateMs)?.atMs === nowMs ? state.opening : undefined;
}

/** The same on every daemon, and as short as the other ids: day of the opening and a piece of a digest. */
function openingRunId(plan: string, opening: Opening): string {
  const day = Temporal.Instant.fromEpochMilliseconds(opening.fromMs).toString().slice(2, 10).replaceAll('-', '');
  return `${day}-${createHash('sha256').update(`${plan}\n${opening.fromMs}`).digest('hex').slice(0, 8)}`;
}
