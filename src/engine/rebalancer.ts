/**
 * Carries out the rebalancing after the last wave: measures, plans one move from what the cluster looks like now, has
 * it made by the movers of the evacuation, and measures again.
 *
 * It acts only on what the journal says was begun, and only with the lease of the server that the pod leaves. Whatever
 * goes wrong ends the rebalancing, never the run.
 */
import { budgetsOf } from '../cluster/budget.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import { arrivingBy, isTargetFull, whyNotNow, type MoveUnderWay } from '../evacuation/move-limits.ts';
import { isFinished, Loads } from '../planner/load.ts';
import { pastMoves, unmoved } from '../planner/past-moves.ts';
import type { ClusterView } from '../ports/cluster.ts';
import type { Lease } from '../ports/leases.ts';
import { limitsOf } from '../spec/plan.ts';
import { advanceMove, callBackMove, moveOrder } from '../steps/moves.ts';
import { decideRebalance } from '../workflow/decide-rebalance.ts';
import type { RunDecision } from '../workflow/decide-run.ts';
import type { RunEvent } from '../workflow/events.ts';
import { isSameHold, noHold, type Hold } from '../workflow/hold.ts';
import type { RebalanceMove } from '../workflow/rebalance-state.ts';
import type { RunState } from '../workflow/run-state.ts';
import { downServers } from './availability.ts';
import { admitMove } from './move-admission.ts';
import { movesDesk, type MovesDesk } from './moves-desk.ts';
import { planNext, serverNodes, type NextMove } from './plan-rebalance.ts';
import type { RunLog } from './run-log.ts';
import type { EngineWorld } from './world.ts';

const pollMs = 1_000;
const waitMs = 5_000;
/** What a budget refuses for so long is left where it is: evenness is worth no longer wait. */
const queuedMs = 2 * 60_000;
/** A measurement within this of the one before is the same. */
const noisePoints = 0.5;

interface Turn {
  readonly run: RunState;
  readonly view: ClusterView;
  /** The run's: whoever holds it writes the run's stream. */
  readonly lease: Lease;
  readonly signal: AbortSignal;
}

export class Rebalancer {
  readonly #world: EngineWorld;
  readonly #log: RunLog;

  constructor(world: EngineWorld, log: RunLog) {
    this.#world = world;
    this.#log = log;
  }

  /** One short step: what is to be written, or when to come again. People write into the same stream: then again at once. */
  async take(turn: Turn): Promise<RunDecision> {
    try {
      return await this.#decide(turn);
    } catch (error) {
      const isRace = error instanceof MaintenanceError && error.code === 'journal/conflict';
      if (!isRace) throw error;
      return { events: [], wakeAtMs: this.#nowMs() };
    }
  }

  async #decide(turn: Turn): Promise<RunDecision> {
    const { run, view } = turn;
    const decision = decideRebalance(run, { nowMs: this.#nowMs(), down: downServers(run.definition, view.nodes) });
    switch (decision.kind) {
      case 'start':
        return { events: [...holdChange(run, noHold), { kind: 'rebalanceStarted', before: loadsOf(turn).spread() }] };
      case 'wait':
        return this.#again(turn, decision.hold, waitMs);
      case 'advance':
        return this.#within(turn, decision.open, (desk) => this.#advance(turn, decision.open, desk));
      case 'callBack':
        return this.#within(turn, decision.open, (desk) => this.#callBack(turn, decision.open, desk, decision.because));
      case 'measure':
        return this.#measure(turn, decision.open, decision.untilMs);
      case 'next':
        return this.#next(turn);
      case 'end':
        return endOf(turn, decision.reason);
      default:
        return unreachable(decision);
    }
  }

  #nowMs(): number {
    return this.#world.clock.nowMs();
  }

  #again({ run }: Turn, hold: Hold, inMs: number): RunDecision {
    return { events: holdChange(run, hold), wakeAtMs: this.#nowMs() + inMs };
  }

  /** Whoever else holds the lease of the server comes first. */
  async #within(
    turn: Turn,
    open: RebalanceMove,
    work: (desk: MovesDesk) => Promise<RunDecision>,
  ): Promise<RunDecision> {
    const { run, signal } = turn;
    const { move, from } = open;
    const server = run.definition.servers.find(({ node }) => node === from)?.name ?? from;
    const lease = await this.#world.leases.acquire(`server/${server}`);
    if ('heldBy' in lease) return this.#again(turn, run.hold, waitMs);
    try {
      const both = AbortSignal.any([signal, lease.lost]);
      return await work(movesDesk(this.#world, this.#log, { ...turn, open, signal: both }));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MaintenanceError) || error.code.startsWith('journal/')) throw error;
      const { disposition, message, retryAfterMs = waitMs, code } = error;
      this.#world.logger.warn(
        { run: run.definition.runId, pod: podKey(move.pod), code, message },
        'rebalancing failed',
      );
      if (disposition !== 'halt') return this.#again(turn, run.hold, retryAfterMs);
      const change = { kind: 'moveFinished' as const, pod: move.pod, result: 'failed' as const, because: message };
      return { events: [{ kind: 'rebalanceMoveChanged', change }] };
    } finally {
      await lease.release();
    }
  }

  async #advance(turn: Turn, { move }: RebalanceMove, desk: MovesDesk): Promise<RunDecision> {
    const hold = await advanceMove(desk, turn.view, move);
    const isLate = this.#nowMs() - move.startedMs >= queuedMs;
    if (hold?.kind === 'waiting' && isLate) {
      await callBackMove(desk, turn.view, move, hold.text);
      return { events: [], wakeAtMs: this.#nowMs() };
    }
    return this.#again(turn, hold ?? noHold, desk.isOver() ? 0 : pollMs);
  }

  async #callBack(turn: Turn, { move }: RebalanceMove, desk: MovesDesk, because: string): Promise<RunDecision> {
    await callBackMove(desk, turn.view, move, because);
    return { events: [], wakeAtMs: this.#nowMs() };
  }

  /** Not before the moved pod's workload is well again: only then it can be told where the scheduler has put things. */
  #measure(turn: Turn, { move, from, percent, group, members }: RebalanceMove, untilMs: number): RunDecision {
    const { run, view } = turn;
    const pods = view.pods.filter((pod) => pod.owner?.uid === group && !isFinished(pod));
    const unwell = pods.filter((pod) => !pod.ready || pod.leaving).map(podKey);
    const [first = ''] = unwell.sort();
    // Fewer than there were: the replacement is still to be made, or somebody has scaled it down meanwhile.
    if ((first !== '' || pods.length < members) && this.#nowMs() < untilMs) {
      const text = `rebalancing: ${first === '' ? `the replacement of ${podKey(move.pod)}` : first} is not Ready yet`;
      return this.#again(turn, { kind: 'waiting', for: 'pods', text }, pollMs);
    }
    if (first !== '') return endOf(turn, `${first} was not Ready 5 min after a move`);
    const loads = loadsOf(turn);
    const spread = loads.spread();
    const previous = run.rebalance?.now.points ?? 0;
    const isLighter = loads.percentOf(from) <= percent - noisePoints && spread.points <= previous + noisePoints;
    const isReturn = run.definition.rebalance?.policy === 'return';
    const helped = move.result === 'rolledBack' || (move.result === 'done' && (isLighter || isReturn));
    return { events: [...holdChange(run, noHold), { kind: 'rebalanceMeasured', spread, helped }] };
  }

  async #next(turn: Turn): Promise<RunDecision> {
    const { run, view, lease, signal } = turn;
    const { definition } = run;
    const states = await Promise.all(definition.servers.map((server) => this.#log.server(definition, server.name)));
    const next = await planNext(this.#world, { run, view, past: pastMoves(run, states), signal });
    if (!next) return endOf(turn, await this.#whyNone(turn));
    const { pod, from, to, percent, way } = next.planned;
    const desk = movesDesk(this.#world, this.#log, { run, lease, signal, open: { from } });
    const group = pod.owner?.uid ?? '';
    const isMember = (other: PodView): boolean => group !== '' && other.owner?.uid === group && !isFinished(other);
    const members = view.pods.filter(isMember).length;
    const move = moveOrder(desk, view, pod, next.chosen);
    const started: RunEvent = { kind: 'rebalanceMoveStarted', move, from, to, percent, group, members };
    const events = [...holdChange(run, noHold), started];
    return way === 'live' ? this.#beginAlive(turn, next, events) : { events };
  }

  /** Written down inside the door: the next one who counts live moves shall see this one. */
  async #beginAlive(turn: Turn, next: NextMove, events: readonly RunEvent[]): Promise<RunDecision> {
    const { run, view, lease } = turn;
    const { planned, chosen, moverLimits } = next;
    const { pod, from: source, to } = planned;
    const limits = limitsOf(run.definition.evacuation);
    const budgets = budgetsOf(pod, view.budgets).map(podKey);
    const mover = chosen.mover.name;
    const why = await admitMove(this.#world, this.#log, async (underWay, doorSignal) => {
      const full = isTargetFull(to, limits, underWay)
        ? `${to} takes no more at once`
        : crowded(turn, pod, to, underWay);
      const refusal = whyNotNow({ source, mover, budgets, limits, moverLimits, underWay }) ?? full;
      doorSignal.throwIfAborted();
      if (refusal === undefined) await this.#log.appendRun(run.definition.runId, run.version, events, lease);
      return refusal ?? 'begun';
    });
    if (why === 'begun') return { events: [], wakeAtMs: this.#nowMs() };
    const text = `rebalancing: ${podKey(pod)} waits for its turn${why === undefined ? '' : `: ${why}`}`;
    return this.#again(turn, { kind: 'waiting', for: 'pods', text }, waitMs);
  }

  async #whyNone(turn: Turn): Promise<string> {
    const { run, view, signal } = turn;
    const isReturn = run.definition.rebalance?.policy === 'return';
    const more = (run.rebalance?.moves.length ?? 0) > 0 ? 'more ' : '';
    if (isReturn) return `no ${more}pod that was moved can go back alive`;
    const wouldHelp = (await planNext(this.#world, { run, view, past: unmoved, signal })) !== undefined;
    return wouldHelp
      ? 'what would help was moved by this run already, and goes a second time only alive'
      : 'no further move would help';
  }
}

function loadsOf({ run, view }: Turn): Loads {
  return new Loads(view.nodes, view.pods, serverNodes(run));
}

/** What others move there takes room from the moment in which they begin. */
function crowded(turn: Turn, pod: PodView, to: string, underWay: readonly MoveUnderWay[]): string | undefined {
  const loads = loadsOf(turn);
  const coming = arrivingBy(underWay, turn.view.pods).get(to) ?? [];
  for (const other of coming) loads.expect(other, to);
  return loads.hasRoom(to, pod) ? undefined : `what is on its way to ${to} has to arrive first`;
}

function endOf(turn: Turn, reason: string): RunDecision {
  const after = loadsOf(turn).spread();
  return { events: [...holdChange(turn.run, noHold), { kind: 'rebalanceEnded', after, reason }] };
}

function holdChange(run: RunState, hold: Hold): RunEvent[] {
  return isSameHold(run.hold, hold) ? [] : [{ kind: 'runHoldChanged', hold }];
}
