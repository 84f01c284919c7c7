/**
 * The moves of one server: beginning one (intent first), bringing those under way further, giving them up.
 *
 * It never chooses which pod goes next; that is the evacuation's.
 */
import { createHash } from 'node:crypto';
import { budgetsOf } from '../cluster/budget.ts';
import { podKey, type PodRef, type PodView } from '../cluster/pod.ts';
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { ClusterView } from '../ports/cluster.ts';
import {
  movePromises,
  type Assessment,
  type MoveOrder,
  type MoveProgress,
  type MoverName,
  type PodMover,
} from '../ports/movers.ts';
import type { Hold } from '../workflow/hold.ts';
import type { Move, MoveEvent, MoveStage } from '../workflow/move-state.ts';
import { lengthText, type MovesContext } from './step.ts';
import { isLiveMover } from './ways.ts';

/** Numbers that only grew are written down this seldom: the journal is for going on, not for watching. */
const progressEveryMs = 10_000;

export interface Chosen {
  readonly mover: PodMover;
  /** Empty where the scheduler chooses. */
  readonly target: string;
  readonly assessment: Extract<Assessment, { kind: 'able' }>;
}

type MoveStarted = Extract<MoveEvent, { kind: 'moveStarted' }>;

export function unfinishedMoves(context: MovesContext): Move[] {
  return Object.values(context.state.moves).filter((move) => !move.result);
}

/** Written down before anything is done. */
export async function beginMove(context: MovesContext, view: ClusterView, pod: PodView, chosen: Chosen): Promise<void> {
  await context.record(moveOrder(context, view, pod, chosen));
}

export function moveOrder(context: MovesContext, view: ClusterView, pod: PodView, chosen: Chosen): MoveStarted {
  const { mover, target, assessment } = chosen;
  const { promise, predictedMs, timeoutMs } = assessment;
  const budgets = budgetsOf(pod, view.budgets).map(podKey).sort();
  const order = { id: newMoveId(context, pod), mover: mover.name, target, promise, predictedMs, timeoutMs };
  return { kind: 'moveStarted', pod: refOf(pod), ...order, budgets };
}

/** The position in the journal makes it unique, also between the tries with one pod. */
function newMoveId({ definition, server, state }: MovesContext, pod: PodView): string {
  const hash = createHash('sha256').update(`${definition.runId}/${server.name}/${state.version}/${pod.uid}`);
  const name = pod.name.slice(0, 36).replace(/[^a-z0-9]+$/, '');
  return `pitcrew-${name}-${hash.digest('hex').slice(0, 12)}`;
}

function refOf({ namespace, name, uid }: PodRef): PodRef {
  return { namespace, name, uid };
}

/** Returns what the pod waits for, if it does. */
export async function advanceMove(context: MovesContext, view: ClusterView, move: Move): Promise<Hold | undefined> {
  const mover = moverOf(context, move);
  const { signal } = context;
  const commit = (): Promise<void> => recordCommit(context, move.pod);
  const progress = await mover.advance(orderOf(context, move), { view, signal, commit });
  return (await recordProgress(context, move, progress)) ?? (await giveUpLate(context, move, mover));
}

function moverOf(context: MovesContext, { mover, pod }: Move): PodMover {
  const found = context.movers[mover as MoverName];
  if (found) return found;
  const message = `${podKey(pod)} is being moved by ${mover}, which this daemon does not have`;
  throw new MaintenanceError('evacuation/mover', 'halt', message);
}

function orderOf(context: MovesContext, move: Move): MoveOrder {
  const { id, pod, target, startedMs } = move;
  const promise = movePromises.find((candidate) => candidate === move.promise) ?? 'nothing: restart';
  // The latest word: a commit may have been written down since this move was looked at.
  const isCommitted = context.state.moves[pod.uid]?.isCommitted ?? move.isCommitted;
  const timeoutMs = move.timeoutMs === 0 ? Number.MAX_SAFE_INTEGER : move.timeoutMs;
  const source = context.server.node;
  const hasBegun = move.stage !== undefined;
  return { id, pod, source, target, promise, startedMs, timeoutMs, hasBegun, isCommitted };
}

async function recordCommit(context: MovesContext, pod: PodRef): Promise<void> {
  if (!context.state.moves[pod.uid]?.isCommitted) await context.record({ kind: 'moveCommitted', pod: refOf(pod) });
}

async function recordProgress(context: MovesContext, move: Move, progress: MoveProgress): Promise<Hold | undefined> {
  const pod = refOf(move.pod);
  switch (progress.kind) {
    case 'queued':
      await recordStage(context, move, { phase: 'queued', note: progress.waitingFor });
      // An eviction waits for a budget; what a live move waits for is its own business.
      return { kind: 'waiting', for: isLiveMover(move.mover) ? 'pods' : 'budget', text: progress.waitingFor };
    case 'copying': {
      const { kind: phase, ...numbers } = progress;
      await recordStage(context, move, { phase, ...numbers });
      return undefined;
    }
    case 'cutover':
      await recordStage(context, move, { phase: 'cutover', note: progress.note });
      if (progress.isCommitted && isLiveMover(move.mover)) await recordCommit(context, pod);
      return undefined;
    case 'done': {
      const { evidence, because = '' } = progress;
      warnOfLess(context, move, evidence.kept, because);
      await context.record({ kind: 'moveFinished', pod, result: 'done', because, evidence });
      return undefined;
    }
    case 'rolledBack':
      await recordWayBack(context, move, progress);
      return undefined;
    case 'failed':
      await context.record({ kind: 'moveFinished', pod, result: 'failed', because: progress.because });
      return undefined;
    default:
      return unreachable(progress);
  }
}

/** Whoever took it back: the tries with a pod go on counting under the uid that it has come back with. */
async function recordWayBack(
  context: MovesContext,
  move: Move,
  { because, uid }: { readonly because: string; readonly uid?: string | undefined },
): Promise<void> {
  const evidence = uid === undefined ? undefined : { kept: move.promise, uid, node: context.server.node };
  await context.record({ kind: 'moveFinished', pod: refOf(move.pod), result: 'rolledBack', because, evidence });
}

/** A promise that was not kept is said aloud; it cannot be mended any more. */
function warnOfLess(context: MovesContext, { pod, mover, promise }: Move, kept: string, because: string): void {
  if (rankOf(kept) <= rankOf(promise)) return;
  context.logger.warn({ pod: podKey(pod), mover, promise, kept, because }, 'a pod kept less than was promised');
}

function rankOf(promise: string): number {
  return movePromises.findIndex((candidate) => candidate === promise);
}

/** Only of live moves: restarts are over in a moment, and the hold tells what they wait for. */
async function recordStage(context: MovesContext, move: Move, stage: Omit<MoveStage, 'atMs'>): Promise<void> {
  if (!isLiveMover(move.mover)) return;
  const before = context.state.moves[move.pod.uid]?.stage;
  const isSamePhase = before?.phase === stage.phase;
  const isSame = isSamePhase && before.note === stage.note && before.doneBytes === stage.doneBytes;
  const isRecent = isSamePhase && context.clock.nowMs() - before.atMs < progressEveryMs;
  if (!isSame && !isRecent) await context.record({ kind: 'moveProgressed', pod: refOf(move.pod), ...stage });
}

/** A move that takes longer than its memory explains is given up, as long as there is a way back. */
async function giveUpLate(context: MovesContext, { pod }: Move, mover: PodMover): Promise<Hold | undefined> {
  const move = context.state.moves[pod.uid];
  if (!move || move.result || move.isCommitted || move.timeoutMs === 0) return undefined;
  const takenMs = context.clock.nowMs() - move.startedMs;
  if (takenMs < move.timeoutMs) return undefined;
  const answer = await mover.cancel(orderOf(context, move), context.signal);
  if (answer.kind !== 'cancelled') return undefined;
  const because = [`given up after ${lengthText(takenMs)}`, answer.price].filter(Boolean).join('; ');
  await recordWayBack(context, move, { because, uid: answer.uid });
  return undefined;
}

/**
 * Calls back what can be called back. A live move that is past its commit point is waited for: where its pod will be is not
 * known before its end.
 *
 * @throws `evacuation/mover`: wait while such a move is under way, halt once it takes longer than it was given
 */
export async function callBackMove(
  context: MovesContext,
  view: ClusterView,
  move: Move,
  because = 'the evacuation was called back',
): Promise<void> {
  const mover = moverOf(context, move);
  const pod = refOf(move.pod);
  const answer = await mover.cancel(orderOf(context, move), context.signal);
  if (answer.kind === 'cancelled') {
    const { uid, price } = answer;
    await recordWayBack(context, move, { because: price === undefined ? because : `${because}; ${price}`, uid });
  } else if (isLiveMover(move.mover)) {
    await advanceMove(context, view, move);
    if (context.state.moves[pod.uid]?.result) return;
    const takenMs = context.clock.nowMs() - move.startedMs;
    const disposition = takenMs < 2 * move.timeoutMs ? 'wait' : 'halt';
    const state = answer.kind === 'committed' ? 'past the commit point of' : 'being taken back from';
    const message = `${podKey(pod)} is ${state} its move by ${move.mover}`;
    throw new MaintenanceError('evacuation/mover', disposition, message);
  } else {
    // Evicted already: it ends here and is made anew elsewhere, whatever becomes of this run.
    const evidence = { kept: 'nothing: restart' };
    await context.record({ kind: 'moveFinished', pod, result: 'done', because, evidence });
  }
}
