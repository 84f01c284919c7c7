/**
 * Empties the server, pod by pod, each by the best way that the plan allows and the cluster can do.
 *
 * It never moves a pod that the verdict does not let go, and never starts a pod's move twice: a started move is in the
 * journal, and its mover finds out from the world how far it is.
 */
import { judgeServer, type Verdict } from '../evacuation/verdict.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { ClusterView } from '../ports/cluster.ts';
import type { MoverName, MoveProgress, PodMover } from '../ports/movers.ts';
import type { Hold } from '../workflow/hold.ts';
import type { Move } from '../workflow/server-state.ts';
import { podsLeft } from './emptiness.ts';
import { finished, lengthText, sinceMs, waiting, working, type StepContext, type StepResult } from './step.ts';
import { installedWays, moversOfWay } from './ways.ts';

const stepId = 'evacuate';
/** How many pods of one server are on their way at once: enough to be quick, few enough to spare the API. */
const movesAtOnce = 10;

type Judged = { readonly pod: PodView; readonly verdict: Verdict };

export async function advanceEvacuate(context: StepContext): Promise<StepResult> {
  const { cluster, server, signal } = context;
  const view = await cluster.view(signal);
  const here = judgeServer(server.node, view, context.definition.evacuation, installedWays(context.movers));
  await settleVanished(context, view);
  const underWay = unfinishedMoves(context.state.moves);
  const wanted = here.filter(({ pod, verdict }) => verdict.kind !== 'stays' || underWay.has(pod.uid));
  if (wanted.length === 0) return finishEmpty(context);
  await announceDrain(context, wanted.length);

  const blocked = wanted.find(({ pod, verdict }) => verdict.kind === 'blocked' && !underWay.has(pod.uid));
  if (blocked?.verdict.kind === 'blocked') {
    const by = `${podKey(blocked.pod)}: ${blocked.verdict.because}`;
    return holdWithin(context, { kind: 'blocked', by });
  }
  const holds: Hold[] = [];
  for (const { pod, verdict } of nextInLine(wanted, underWay)) {
    const held = await advanceMove(context, view, pod, verdict);
    if (held !== undefined) holds.push(held);
  }
  const leaving = wanted.filter(({ verdict }) => verdict.kind === 'waits').map(({ pod }) => podKey(pod));
  const isOnlyLeaving = leaving.length === wanted.length;
  const text = `${leaving[0]} is still leaving`;
  return holdWithin(context, holds[0] ?? (isOnlyLeaving ? { kind: 'waiting', for: 'pods', text } : undefined));
}

/** A pod that has left the server, by whatever way, has been moved: its uid is gone or it is somewhere else. */
async function settleVanished(context: StepContext, view: ClusterView): Promise<void> {
  const here = new Set(view.pods.filter((pod) => pod.node === context.server.node).map((pod) => pod.uid));
  for (const move of Object.values(context.state.moves)) {
    if (move.result || here.has(move.pod.uid)) continue;
    await context.record({ kind: 'moveFinished', pod: move.pod, result: 'done', because: '' });
  }
}

function unfinishedMoves(moves: Readonly<Record<string, Move>>): ReadonlyMap<string, Move> {
  return new Map(Object.entries(moves).filter(([, move]) => !move.result));
}

/** Moves under way first; then, of the lowest order that is left, as many as there is room for. */
function nextInLine(wanted: readonly Judged[], underWay: ReadonlyMap<string, Move>): Judged[] {
  const going = wanted.filter(({ pod }) => underWay.has(pod.uid));
  const fresh = wanted.filter(({ pod, verdict }) => verdict.kind === 'moves' && !underWay.has(pod.uid));
  const orderOf = ({ verdict }: Judged): number => (verdict.kind === 'moves' ? verdict.order : 0);
  const lowest = Math.min(...fresh.map(orderOf), ...going.map(orderOf));
  const room = Math.max(0, movesAtOnce - going.length);
  return [...going, ...fresh.filter((judged) => orderOf(judged) === lowest).slice(0, room)];
}

/** Returns what the pod waits for, if it does. */
async function advanceMove(
  context: StepContext,
  view: ClusterView,
  pod: PodView,
  verdict: Verdict,
): Promise<Hold | undefined> {
  const move = context.state.moves[pod.uid];
  const started = move && !move.result ? context.movers[move.mover as MoverName] : undefined;
  const mover = started ?? chooseMover(context, view, pod, verdict);
  if (!mover) return { kind: 'blocked', by: `${podKey(pod)}: ${move?.because ?? 'no way to move it is left'}` };
  if (!started) {
    const assessment = mover.assess(pod, view);
    const promise = assessment.kind === 'able' ? assessment.promise : 'nothing: restart';
    await context.record({ kind: 'moveStarted', pod: refOf(pod), mover: mover.name, promise });
  }
  return recordProgress(context, pod, await mover.advance(pod, view, context.signal));
}

function refOf({ namespace, name, uid }: PodView): { namespace: string; name: string; uid: string } {
  return { namespace, name, uid };
}

/** The first way the verdict allows for which a mover is there, able, and has not failed with this pod already. */
function chooseMover(context: StepContext, view: ClusterView, pod: PodView, verdict: Verdict): PodMover | undefined {
  if (verdict.kind !== 'moves') return undefined;
  const failed = context.state.moves[pod.uid]?.failedMovers ?? [];
  const names = verdict.ways.flatMap((way) => moversOfWay[way]).filter((name) => !failed.includes(name));
  return names.map((name) => context.movers[name]).find((mover) => mover?.assess(pod, view).kind === 'able');
}

async function recordProgress(context: StepContext, pod: PodView, progress: MoveProgress): Promise<Hold | undefined> {
  switch (progress.kind) {
    case 'queued':
      return { kind: 'waiting', for: 'budget', text: progress.waitingFor };
    case 'copying':
    case 'cutover':
      return undefined;
    case 'done':
      await context.record({ kind: 'moveFinished', pod: refOf(pod), result: 'done', because: '' });
      return undefined;
    case 'rolledBack':
    case 'failed': {
      const { kind, because } = progress;
      await context.record({ kind: 'moveFinished', pod: refOf(pod), result: kind, because });
      return undefined;
    }
    default:
      return unreachable(progress);
  }
}

/** The view says empty; it counts once the API itself says so, for a pod may have been bound just before the cordon. */
async function finishEmpty(context: StepContext): Promise<StepResult> {
  const left = await podsLeft(context);
  if (!left) return awaitVolumes(context);
  return holdWithin(context, { kind: 'waiting', for: 'pods', text: `${podKey(left)} is still there` });
}

/** A fast reboot outruns the detaching of volumes, and the pod's new place then cannot attach them (Multi-Attach). */
async function awaitVolumes(context: StepContext): Promise<StepResult> {
  const { cluster, server, signal } = context;
  const attached = await cluster.attachedVolumes(server.node, signal);
  if (attached.length > 0) {
    const text = `${attached.length} volumes are still attached, e.g. ${attached[0]}`;
    return holdWithin(context, { kind: 'waiting', for: 'volumes', text });
  }
  const message = `run ${context.definition.runId}`;
  await cluster.setConditions(
    server.node,
    [
      { type: 'DrainInProgress', status: false, reason: 'PitcrewDrained', message },
      { type: 'Drained', status: true, reason: 'PitcrewDrained', message },
    ],
    signal,
  );
  const moved = Object.values(context.state.moves).filter((move) => move.result === 'done').length;
  return finished({ moved });
}

async function announceDrain(context: StepContext, pods: number): Promise<void> {
  if (context.state.notes[stepId]) return;
  const message = `run ${context.definition.runId}: ${pods} pods to move`;
  await context.cluster.setConditions(
    context.server.node,
    [{ type: 'DrainInProgress', status: true, reason: 'PitcrewDrain', message }],
    context.signal,
  );
  await context.record({ kind: 'noted', step: stepId, facts: { toMove: pods } });
}

function holdWithin(context: StepContext, hold: Hold | undefined): StepResult {
  const waitedMs = context.clock.nowMs() - sinceMs(context, stepId);
  if (waitedMs >= context.definition.evacuation.timeoutMs) {
    const reason =
      hold === undefined ? 'pods are still on their way' : hold.kind === 'blocked' ? hold.by : describe(hold);
    throw new MaintenanceError('evacuation/timeout', 'halt', `not empty after ${lengthText(waitedMs)}: ${reason}`);
  }
  return hold ? waiting(hold, 1_000) : working(1_000);
}

function describe(hold: Hold): string {
  return hold.kind === 'waiting' ? hold.text : hold.kind;
}

/** Calls back what can be called back; pods that are gone already run elsewhere and stay there. */
export async function undoEvacuate(context: StepContext): Promise<void> {
  const view = await context.cluster.view(context.signal);
  for (const move of unfinishedMoves(context.state.moves).values()) {
    const pod = view.pods.find((candidate) => candidate.uid === move.pod.uid);
    const mover = context.movers[move.mover as MoverName];
    if (pod && mover) await mover.cancel(pod, context.signal);
    const because = 'the evacuation was called back';
    await context.record({ kind: 'moveFinished', pod: move.pod, result: pod ? 'rolledBack' : 'done', because });
  }
}
