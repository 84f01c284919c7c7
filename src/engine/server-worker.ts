/**
 * Takes one server of one run as far as it goes: observe, decide, record, act. The only caller of the steps.
 *
 * It holds the server's lease all the while, and never decides by itself that a server may start.
 */
import { InvariantError, MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { Lease } from '../ports/leases.ts';
import type { WakeUp } from '../ports/wake-ups.ts';
import type { ProgramStep, RunServer } from '../workflow/definition.ts';
import { backOffMs, controlOf, decideServer, type ServerDecision } from '../workflow/decide-server.ts';
import type { ServerEvent } from '../workflow/events.ts';
import { isSameHold, noHold, type Hold } from '../workflow/hold.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { ServerState } from '../workflow/server-state.ts';
import { windowHold } from '../workflow/window.ts';
import { advanceStep, undoStep } from '../steps/steps.ts';
import type { StepContext } from '../steps/step.ts';
import { budgetHold, downServers } from './availability.ts';
import { admitMove } from './move-admission.ts';
import { NodeLeaseKeeper } from './node-lease-keeper.ts';
import { coordinatorSite, type EngineWorld } from './world.ts';
import type { Rooms } from './rooms.ts';
import type { RunLog } from './run-log.ts';

/** Waits shorter than this are sat out with the lease in hand; longer ones give lease and worker free. */
const inPlaceMs = 15_000;

/** What a round ends with: go on after so many milliseconds, or leave and be woken in so many (never: undefined). */
type Round = { readonly kind: 'again'; readonly inMs: number } | { readonly kind: 'leave'; readonly wakeInMs?: number };

const again: Round = { kind: 'again', inMs: 0 };

export class ServerWorker {
  readonly #world: EngineWorld;
  readonly #log: RunLog;
  readonly #rooms: Rooms;

  constructor(world: EngineWorld, log: RunLog, rooms: Rooms) {
    this.#world = world;
    this.#log = log;
    this.#rooms = rooms;
  }

  /** One wake-up. Lost, late and doubled ones do no harm: the lease lets one in, and the journal says where it is. */
  async handle(target: WakeUp & { server: string }, signal: AbortSignal): Promise<void> {
    const lease = await this.#world.leases.acquire(`server/${target.server}`);
    if ('heldBy' in lease) return;
    let leave: Extract<Round, { kind: 'leave' }> = { kind: 'leave' };
    try {
      leave = await this.#drive(target, lease, AbortSignal.any([signal, lease.lost]));
    } finally {
      await lease.release();
    }
    if (leave.wakeInMs !== undefined) await this.#world.wakeUps.wake(target, leave.wakeInMs);
  }

  async #drive(
    target: WakeUp & { server: string },
    lease: Lease,
    signal: AbortSignal,
  ): Promise<Extract<Round, { kind: 'leave' }>> {
    const nodeLease = new NodeLeaseKeeper(this.#world.clock);
    for (;;) {
      signal.throwIfAborted();
      const run = await this.#log.run(target.runId);
      const server = run?.definition.servers.find((candidate) => candidate.name === target.server);
      if (!run || !server) return { kind: 'leave' };
      const state = await this.#log.server(run.definition, target.server);
      const visit = new Visit(this.#world, this.#log, {
        run,
        server,
        state,
        lease,
        nodeLease,
        rooms: this.#rooms,
        signal,
      });
      const round = await visit.round();
      if (round.kind === 'leave') return round;
      if (round.inMs > inPlaceMs) return { kind: 'leave', wakeInMs: round.inMs };
      if (round.inMs > 0) await this.#world.clock.sleep(round.inMs, signal);
    }
  }
}

interface VisitInput {
  readonly run: RunState;
  readonly server: RunServer;
  readonly state: ServerState;
  readonly lease: Lease;
  readonly nodeLease: NodeLeaseKeeper;
  readonly rooms: Rooms;
  readonly signal: AbortSignal;
}

/** One decision and what follows from it. */
class Visit {
  readonly #world: EngineWorld;
  readonly #log: RunLog;
  readonly #input: VisitInput;
  #state: ServerState;
  /** Moves run side by side and share one journal: each entry is written after the one before it. */
  #written: Promise<void> = Promise.resolve();

  constructor(world: EngineWorld, log: RunLog, input: VisitInput) {
    this.#world = world;
    this.#log = log;
    this.#input = input;
    this.#state = input.state;
  }

  async round(): Promise<Round> {
    const { run, server } = this.#input;
    const control = controlOf(run, server.name);
    const decision = decideServer(run.definition, this.#state, control, this.#world.clock.nowMs());
    return this.#carryOut(decision);
  }

  async #carryOut(decision: ServerDecision): Promise<Round> {
    switch (decision.kind) {
      case 'rest':
        return { kind: 'leave' };
      case 'hold':
        await this.#setHold(decision.hold);
        return { kind: 'leave', wakeInMs: 30_000 };
      case 'backOff':
        return { kind: 'again', inMs: decision.forMs };
      case 'takeRetry':
        await this.#record({ kind: 'retried', request: decision.request });
        return again;
      case 'beginUndo':
        await this.#record({ kind: 'undoStarted', because: decision.because, outcome: decision.outcome });
        return again;
      case 'undo':
        return this.#undo(decision.step);
      case 'end':
        return this.#end(decision.outcome, decision.reason);
      case 'start':
        await this.#record({ kind: 'stepStarted', step: decision.step.id, attempt: decision.attempt });
        return this.#advance(decision.step);
      case 'advance':
        return this.#advance(decision.step);
      default:
        return unreachable(decision);
    }
  }

  async #advance(step: ProgramStep): Promise<Round> {
    try {
      const context = this.#context();
      const taken = await this.#input.nodeLease.keep(step, context);
      if (taken) {
        await this.#setHold(taken);
        return { kind: 'leave', wakeInMs: 10_000 };
      }
      const result = await this.#input.nodeLease.during(step, context, () => advanceStep(step, context));
      switch (result.kind) {
        case 'finished':
          await this.#record({ kind: 'stepFinished', step: step.id, evidence: result.evidence });
          return again;
        case 'working':
          await this.#setHold(noHold);
          return { kind: 'again', inMs: result.againMs };
        case 'waiting':
          await this.#setHold(result.hold);
          return { kind: 'again', inMs: result.againMs };
        default:
          return unreachable(result);
      }
    } catch (error) {
      return this.#afterError(step, error);
    }
  }

  /** The journal's own errors cannot be written into it: leave, and let the next wake-up read again. */
  async #afterError(step: ProgramStep, error: unknown): Promise<Round> {
    this.#input.signal.throwIfAborted();
    const known = this.#classified(error);
    if (known.code.startsWith('journal/')) throw known;
    if (known.disposition === 'wait') {
      await this.#setHold({ kind: 'waiting', for: 'connection', text: known.message });
      return { kind: 'again', inMs: known.retryAfterMs ?? 2_000 };
    }
    const { code, disposition, message } = known;
    this.#world.logger.warn({ server: this.#input.server.name, step: step.id, code, message }, 'step failed');
    await this.#record({ kind: 'stepFailed', step: step.id, code, disposition, message });
    return again;
  }

  async #undo(step: ProgramStep): Promise<Round> {
    try {
      await undoStep(step, this.#context());
    } catch (error) {
      this.#input.signal.throwIfAborted();
      const known = this.#classified(error);
      if (known.code.startsWith('journal/')) throw known;
      if (known.disposition === 'halt') return this.#end('halted', `could not be brought back: ${known.message}`);
      this.#world.logger.warn(
        { server: this.#input.server.name, step: step.id, code: known.code },
        'undo failed, tried again',
      );
      await this.#setHold({ kind: 'waiting', for: 'connection', text: known.message });
      return { kind: 'again', inMs: backOffMs(3) };
    }
    await this.#record({ kind: 'stepUndone', step: step.id });
    return again;
  }

  async #end(outcome: 'done' | 'undone' | 'halted' | 'skipped', reason: string): Promise<Round> {
    const { run, server } = this.#input;
    await this.#record({ kind: 'ended', outcome, reason });
    this.#world.logger.info({ run: run.definition.runId, server: server.name, outcome, reason }, 'server ended');
    await this.#world.wakeUps.wake({ runId: run.definition.runId, site: coordinatorSite }, 0);
    return { kind: 'leave' };
  }

  /** An error that no adapter has classified is a bug of ours: the server halts with it, where a person sees it. */
  #classified(error: unknown): MaintenanceError {
    if (error instanceof MaintenanceError) return error;
    // An event that cannot follow was about to be written: the journal stays as it is, and this server stops.
    if (error instanceof InvariantError) throw error;
    this.#world.logger.error({ server: this.#input.server.name, err: error }, 'unexpected error, this is a bug');
    const message = `a bug in pitcrew: ${error instanceof Error ? error.message : String(error)}`;
    return new MaintenanceError('engine/bug', 'halt', message, { cause: error });
  }

  async #setHold(hold: Hold): Promise<void> {
    if (!isSameHold(this.#state.hold, hold)) await this.#record({ kind: 'holdChanged', hold });
  }

  #record(...events: ServerEvent[]): Promise<void> {
    const { run, lease, signal } = this.#input;
    const writing = this.#written.then(async () => {
      signal.throwIfAborted();
      this.#state = await this.#log.appendServer(run.definition, this.#state, events, lease);
    });
    this.#written = writing.catch(() => undefined);
    return writing;
  }

  #context(): StepContext {
    const { run, server, rooms, signal } = this.#input;
    const { cluster, connections, movers, clock, logger, journal } = this.#world;
    const latest = (): ServerState => this.#state;
    return {
      definition: run.definition,
      server,
      get state() {
        return latest();
      },
      cluster,
      bmc: connections.bmcOf(server),
      shell: connections.shellOf(server),
      movers,
      clock,
      logger,
      signal,
      record: (...events) => this.#record(...events),
      output: (step, text) => {
        const line = { atMs: clock.nowMs(), step, text };
        // Output is for people; losing some of it must not stop the work.
        journal.appendOutput({ runId: run.definition.runId, server: server.name }, line).catch(() => undefined);
      },
      guard: () => this.#guard(),
      admitMove: (work) => admitMove(this.#world, this.#log, work),
      room: async () => rooms.holdOf(run, server.name, await cluster.view(signal)),
    };
  }

  async #guard(): Promise<Hold | undefined> {
    const { run, server, rooms, signal } = this.#input;
    signal.throwIfAborted();
    const now = (await this.#log.run(run.definition.runId)) ?? run;
    if (now.pausedBy !== undefined) return { kind: 'paused', by: now.pausedBy };
    if (now.stoppedBy !== undefined) return { kind: 'paused', by: now.stoppedBy };
    const view = await this.#world.cluster.view(signal);
    const cordon = view.nodes.find((node) => node.name === server.node)?.cordon;
    // Cordoned by a daemon that died before it could say so: it has started, and goes on to its end.
    const hasStarted = cordon?.kind === 'ours' && cordon.runId === now.definition.runId;
    const shut = windowHold(now.definition, server, this.#world.clock.nowMs(), this.#state.startedMs);
    if (hasStarted) return undefined;
    const budget = budgetHold(now, server.name, downServers(now.definition, view.nodes));
    return shut?.hold ?? budget ?? rooms.holdOf(now, server.name, view);
  }
}
