/**
 * By which mover a pod goes, and where to. The first way that the verdict allows for which a mover is there, able, and has
 * not failed with this pod already; a live move goes to the best node that its mover says it can go to.
 *
 * It begins nothing by itself, and never lets more live moves begin than the plan's limits allow.
 */
import { budgetsOf } from '../cluster/budget.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { arrivingBy, isTargetFull, whyNotNow, type MoveUnderWay } from '../evacuation/move-limits.ts';
import { keepsLess } from '../evacuation/promises.ts';
import { rankTargets, type Arriving } from '../evacuation/targets.ts';
import { liveKeepsOf, type Verdict } from '../evacuation/verdict.ts';
import type { ClusterView } from '../ports/cluster.ts';
import type { MoverName, PodMover } from '../ports/movers.ts';
import { limitsOf } from '../spec/plan.ts';
import type { Hold } from '../workflow/hold.ts';
import { triesWith, type Try } from '../workflow/move-state.ts';
import { unfinishedMoves, type Chosen } from './moves.ts';
import type { StepContext } from './step.ts';
import { isLiveMover, moversFor, type ReadyMover } from './ways.ts';

/** A live move that was rolled back is tried once more, to another node: nothing was lost by the first try. */
const liveTries = 2;

interface Choice {
  readonly context: StepContext;
  readonly view: ClusterView;
  readonly ready: ReadonlyMap<MoverName, ReadyMover>;
  readonly pod: PodView;
  readonly verdict: Verdict;
  /** Everywhere, once that is known. */
  readonly underWay?: readonly MoveUnderWay[];
}

/** `undefined`: not now, and something else is under way that is shown instead. */
export type Turn = Chosen | Hold | undefined;

/** What to do with the pod, or what it has to wait for; live moves only as far as the limits allow, seen from all runs. */
export async function takeTurn(choice: Choice, begin: (chosen: Chosen) => Promise<void>): Promise<Turn> {
  const { context } = choice;
  const likely = likelyMover(choice);
  // Looked at here first: nobody shall search for a place, or stand in the door, for what cannot begin anyway.
  if (likely && isLiveMover(likely.name) && notFromHere(choice, likely) !== undefined) return undefined;
  const first = chooseMove(choice);
  if (!('mover' in first)) return first;
  if (!isLiveMover(first.mover.name)) {
    await begin(first);
    return first;
  }
  const turn = await context.admitMove(async (underWay, signal): Promise<Chosen | Hold> => {
    const chosen = chooseMove({ ...choice, underWay });
    if (!('mover' in chosen)) return chosen;
    signal.throwIfAborted();
    await begin(chosen);
    return chosen;
  });
  return turn ?? wait(choice.pod, 'another move begins just now');
}

/** The one that would move it, if only there is a node for it. */
function likelyMover({ context, ready, view, pod, verdict }: Choice): PodMover | undefined {
  const tries = triesWith(context.state.moves, pod.uid);
  const names = verdict.kind === 'moves' ? verdict.ways.flatMap((way) => moversFor(way, pod)) : [];
  const movers = names.flatMap((name) => (hasFailed(tries, name) ? [] : (ready.get(name)?.mover ?? [])));
  const least = liveKeepsOf(pod, context.definition.evacuation);
  return movers.find((mover) => {
    const assessment = mover.assess(pod, view);
    return assessment.kind === 'able' && !(isLiveMover(mover.name) && keepsLess(assessment.promise, least));
  });
}

/** Of this server alone, without asking anybody. */
function ownMoves(context: StepContext): MoveUnderWay[] {
  return unfinishedMoves(context).map(({ target, mover, pod }) => ({
    source: context.server.node,
    target,
    mover,
    isLive: isLiveMover(mover),
    pod,
    budgets: [],
  }));
}

function notFromHere(choice: Choice, mover: PodMover): string | undefined {
  const { definition, server } = choice.context;
  const underWay = ownMoves(choice.context);
  const limits = limitsOf(definition.evacuation);
  const moverLimits = choice.ready.get(mover.name)?.detection.atOnce ?? {};
  return whyNotNow({ source: server.node, mover: mover.name, budgets: [], limits, moverLimits, underWay });
}

function wait(pod: PodView, text: string): Hold {
  return { kind: 'waiting', for: 'pods', text: `${podKey(pod)} waits for its turn: ${text}` };
}

function chooseMove(choice: Choice): Chosen | Hold {
  const { context, view, ready, pod, verdict } = choice;
  const tries = triesWith(context.state.moves, pod.uid);
  const names = verdict.kind === 'moves' ? verdict.ways.flatMap((way) => moversFor(way, pod)) : [];
  for (const name of names) {
    const mover = ready.get(name)?.mover;
    if (!mover || hasFailed(tries, name)) continue;
    const chosen = isLiveMover(name) ? toNode(choice, mover) : anywhere(view, mover, pod);
    if (chosen) return chosen;
  }
  const reason = context.state.moves[pod.uid]?.because || 'no way to move it is left';
  return { kind: 'blocked', by: `${podKey(pod)}: ${reason}` };
}

function hasFailed(all: readonly Try[], name: MoverName): boolean {
  const tries = all.filter(({ mover }) => mover === name);
  const isOver = tries.some(({ result }) => result === 'failed');
  return isOver || tries.length >= (isLiveMover(name) ? liveTries : 1);
}

function anywhere(view: ClusterView, mover: PodMover, pod: PodView): Chosen | undefined {
  const assessment = mover.assess(pod, view);
  return assessment.kind === 'able' ? { mover, target: '', assessment } : undefined;
}

/** Where no node can take it alive, the next way is tried; where only the limits are in the way, it waits. */
function toNode(choice: Choice, mover: PodMover): Chosen | Hold | undefined {
  const { context, view, pod, ready, underWay = [] } = choice;
  const limits = limitsOf(context.definition.evacuation);
  const arriving = arrivingBy(choice.underWay ?? ownMoves(context), view.pods);
  let full: string | undefined;
  for (const { name, assessment } of ableTargets(choice, mover, arriving)) {
    const source = context.server.node;
    const budgets = budgetsOf(pod, view.budgets).map(podKey);
    const moverLimits = ready.get(mover.name)?.detection.atOnce ?? {};
    const why = whyNotNow({ source, mover: mover.name, budgets, limits, moverLimits, underWay });
    if (why !== undefined) return wait(pod, why);
    if (isTargetFull(name, limits, underWay)) full ??= name;
    else return { mover, target: name, assessment };
  }
  if (full !== undefined) {
    return wait(pod, `${limits.perTarget} at once are on their way to ${full} (evacuation.limits.perTarget)`);
  }
  // How much room is left there is known for certain once they have arrived: not before that a restart is the next best way.
  const [crowded] = ableTargets(choice, mover, new Map());
  return crowded && wait(pod, `what is on its way to ${crowded.name} has to arrive first`);
}

interface AbleTarget {
  readonly name: string;
  readonly assessment: Chosen['assessment'];
}

/** Best first, and none that was tried before; no more of them are looked at than are asked for. */
function* ableTargets({ context, view, pod }: Choice, mover: PodMover, arriving: Arriving): Generator<AbleTarget> {
  const least = liveKeepsOf(pod, context.definition.evacuation);
  const tried = triesWith(context.state.moves, pod.uid).map(({ target }) => target);
  for (const { name } of rankTargets(pod, view, arriving)) {
    if (tried.includes(name)) continue;
    const assessment = mover.assess(pod, view, name);
    // What is kept may depend on where it goes.
    if (assessment.kind === 'able' && !keepsLess(assessment.promise, least)) yield { name, assessment };
  }
}
