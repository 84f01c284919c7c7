/**
 * Hands out places in the budget, ends waves and the run. It touches no server, and is the only writer of the run's
 * stream besides people's requests.
 */
import type { ConditionUpdate } from '../ports/cluster.ts';
import type { WakeUp } from '../ports/wake-ups.ts';
import type { Lease } from '../ports/leases.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { decideRun, type RunDecision } from '../workflow/decide-run.ts';
import type { RunEvent } from '../workflow/events.ts';
import { activeServers, type RunState } from '../workflow/run-state.ts';
import { downServers } from './availability.ts';
import { coordinatorSite, type EngineWorld } from './world.ts';
import { closePowerByHand } from './power-by-hand.ts';
import { pendingChanges, type PendingChange } from './pending.ts';
import { Rebalancer } from './rebalancer.ts';
import type { Rooms } from './rooms.ts';
import type { RunLog } from './run-log.ts';

/** How soon a power request by hand is looked at again, while somebody has the server. */
const powerLookMs = 10_000;

export class RunCoordinator {
  readonly #world: EngineWorld;
  readonly #log: RunLog;
  readonly #rooms: Rooms;
  readonly #rebalancer: Rebalancer;
  readonly #isInHand: (runId: string, server: string) => boolean;

  /** `isInHand`: this daemon is at work on that server already, so it need not be woken. */
  constructor(world: EngineWorld, log: RunLog, rooms: Rooms, isInHand: (runId: string, server: string) => boolean) {
    this.#world = world;
    this.#log = log;
    this.#rooms = rooms;
    this.#rebalancer = new Rebalancer(world, log);
    this.#isInHand = isInHand;
  }

  async handle(target: WakeUp, signal: AbortSignal): Promise<void> {
    const { leases, wakeUps } = this.#world;
    const lease = await leases.acquire(`run/${target.runId}`);
    // Whoever holds it may just be leaving; what it did not see is looked at in a moment.
    if ('heldBy' in lease) {
      await wakeUps.wake(target, 1_000);
      return;
    }
    let wakeAtMs: number | undefined;
    try {
      wakeAtMs = await this.#settle(target.runId, lease, AbortSignal.any([signal, lease.lost]));
    } finally {
      await lease.release();
    }
    if (wakeAtMs !== undefined) await wakeUps.wake(target, Math.max(0, wakeAtMs - this.#world.clock.nowMs()));
  }

  /** Decides until nothing is left to decide. Returns when to look again. */
  async #settle(runId: string, lease: Lease, signal: AbortSignal): Promise<number | undefined> {
    for (;;) {
      signal.throwIfAborted();
      const run = await this.#log.run(runId);
      if (!run || run.ended) return undefined;
      if (run.definition.purpose === 'power') {
        const isOver = await closePowerByHand(this.#world, this.#log, run);
        return isOver ? undefined : this.#world.clock.nowMs() + powerLookMs;
      }
      const ends = await this.#newEnds(run);
      const decision = ends.length > 0 ? { events: ends } : await this.#decide(run, lease, signal);
      if (decision.events.length === 0) {
        await this.#wakeServers(run);
        return decision.wakeAtMs;
      }
      if (!(await this.#append(run, decision.events, lease))) continue;
      for (const event of decision.events) {
        this.#world.logger.info({ run: runId, ...summary(event) }, 'run event');
      }
    }
  }

  /** People write into the same stream; who comes second reads again. */
  async #append(run: RunState, events: readonly RunEvent[], lease: Lease): Promise<boolean> {
    try {
      await this.#log.appendRun(run.definition.runId, run.version, events, lease);
      return true;
    } catch (error) {
      if (error instanceof MaintenanceError && error.code === 'journal/conflict') return false;
      throw error;
    }
  }

  async #decide(run: RunState, lease: Lease, signal: AbortSignal): Promise<RunDecision> {
    const nowMs = this.#world.clock.nowMs();
    const view = await this.#world.cluster.view(signal);
    const down = downServers(run.definition, view.nodes);
    const decided = decideRun(run, { nowMs, down, refuses: this.#rooms.refusalsOf(run, view) });
    const decision = decided.rebalancing ? await this.#rebalancer.take({ run, view, lease, signal }) : decided;
    // Before the events are written: nobody looks after a run any more once its end is in the journal.
    const isOver = decision.events.some((event) => event.kind === 'runEnded');
    await this.#markPending(pendingChanges(run, view.nodes, isOver), run, signal);
    return decision;
  }

  /** The mark is only a wish to the scheduler: a cluster that refuses it keeps no run from going on. */
  async #markPending(changes: readonly PendingChange[], run: RunState, signal: AbortSignal): Promise<void> {
    const { cluster, logger } = this.#world;
    const { runId } = run.definition;
    for (const { node, mark } of changes) {
      try {
        // The condition first: the taint is what tells the next look that nothing is left to do here.
        await cluster.setConditions(node, [plannedCondition(runId, mark !== undefined)], signal);
        await cluster.setPending(node, runId, mark, signal);
      } catch (error) {
        if (!(error instanceof MaintenanceError) || error.disposition !== 'halt') throw error;
        logger.warn({ run: runId, node, mark, code: error.code }, 'mark for later maintenance refused');
      }
    }
  }

  /** An end from before a retry was asked for is an old one: it counts only once the retry was taken up. */
  async #newEnds(run: RunState): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    for (const server of activeServers(run)) {
      const state = await this.#log.server(run.definition, server);
      const isCurrent = state.retryTaken >= (run.retryRequests[server] ?? 0);
      if (state.ended && isCurrent) {
        const { outcome, reason } = state.ended;
        events.push({ kind: 'serverEnded', server, outcome, reason });
      }
    }
    return events;
  }

  async #wakeServers(run: RunState): Promise<void> {
    const sites = new Map(run.definition.servers.map((server) => [server.name, server.site]));
    const { runId } = run.definition;
    const idle = activeServers(run).filter((server) => !this.#isInHand(runId, server));
    // Together, so that a hundred servers do not wait for each other's place in the queue.
    await Promise.all(
      idle.map((server) => this.#world.wakeUps.wake({ runId, server, site: sites.get(server) ?? coordinatorSite }, 0)),
    );
  }
}

/** KEP-5683: said of every server of the run until it has ended, so that others can keep away in time. */
function plannedCondition(runId: string, pending: boolean): ConditionUpdate {
  return { type: 'MaintenancePlanned', status: pending, reason: 'PitcrewRun', message: `run ${runId}` };
}

function summary(event: RunEvent): Record<string, unknown> {
  return event.kind === 'runCreated' ? { event: event.kind } : { event: event.kind, ...event };
}
