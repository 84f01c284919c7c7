/**
 * Empties the server, pod by pod, each by the best way that the plan allows and the cluster can do.
 *
 * It never moves a pod that the verdict does not let go, and never starts a pod's move twice: a started move is in the
 * journal, and its mover finds out from the world how far it is. A pod counts as moved when its mover says so.
 */
import { judgeServer, type Verdict } from '../evacuation/verdict.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { ClusterView } from '../ports/cluster.ts';
import { sayHold, type Hold } from '../workflow/hold.ts';
import type { Move } from '../workflow/move-state.ts';
import { takeTurn } from './choose-move.ts';
import { podsLeft } from './emptiness.ts';
import { advanceMove, beginMove, callBackMove, unfinishedMoves } from './moves.ts';
import { finished, lengthText, sinceMs, waiting, working, type StepContext, type StepResult } from './step.ts';
import { closedWays, detectMovers } from './ways.ts';

const stepId = 'evacuate';
/** How many pods of one server are on their way at once: enough to be quick, few enough to spare the API. */
const movesAtOnce = 10;

type Judged = { readonly pod: PodView; readonly verdict: Verdict };

export async function advanceEvacuate(context: StepContext): Promise<StepResult> {
  const { cluster, server, signal } = context;
  const view = await cluster.view(signal);
  const holds = await advanceMoves(context, view);
  const ready = await detectMovers(context.movers, signal);
  const closedFor = closedWays(ready, view);
  const here = judgeServer(server.node, view, context.definition.evacuation, closedFor).filter(
    ({ pod, verdict }) => verdict.kind !== 'stays' && !isOfThePast(context.state.moves[pod.uid]),
  );
  const underWay = new Set(unfinishedMoves(context).map((move) => move.pod.uid));
  const wanted = here.filter(({ pod }) => !underWay.has(pod.uid));
  if (wanted.length === 0 && underWay.size === 0) return finishEmpty(context);
  await announceDrain(context, wanted.length + underWay.size);

  const blocked = wanted.find(({ verdict }) => verdict.kind === 'blocked');
  if (blocked?.verdict.kind === 'blocked') {
    return holdWithin(context, { kind: 'blocked', by: `${podKey(blocked.pod)}: ${blocked.verdict.because}` });
  }
  let room = movesAtOnce - underWay.size;
  for (const { pod, verdict } of nextInLine(wanted, here, underWay)) {
    if (room <= 0) break;
    const turn = await takeTurn({ context, view, ready, pod, verdict }, (chosen) =>
      beginMove(context, view, pod, chosen),
    );
    if (turn === undefined) continue;
    if (!('mover' in turn)) {
      holds.push(turn);
      continue;
    }
    room -= 1;
    const move = context.state.moves[pod.uid];
    const held = move && (await advanceMove(context, view, move));
    if (held) holds.push(held);
  }
  const leaving = wanted.filter(({ verdict }) => verdict.kind === 'waits').map(({ pod }) => podKey(pod));
  const isOnlyLeaving = leaving.length === wanted.length && underWay.size === 0;
  const text = `${leaving[0]} is still leaving`;
  return holdWithin(context, holds[0] ?? (isOnlyLeaving ? { kind: 'waiting', for: 'pods', text } : undefined));
}

/** What moved, or came back as another, is judged by nothing but whether it is gone: the view may be behind. */
function isOfThePast(move: Move | undefined): boolean {
  return move?.result === 'done' || (move?.result === 'rolledBack' && move.newUid !== undefined);
}

/** Side by side: one pod's copying must not keep another's from being seen to. Returns what they wait for. */
async function advanceMoves(context: StepContext, view: ClusterView): Promise<Hold[]> {
  const looks = await Promise.allSettled(unfinishedMoves(context).map((move) => advanceMove(context, view, move)));
  const holds: Hold[] = [];
  for (const look of looks) {
    if (look.status === 'rejected') throw look.reason;
    if (look.value) holds.push(look.value);
  }
  return holds;
}

/** Those of the lowest order that is left, the important and the large ones first: small ones would take the room that they need. */
function nextInLine(wanted: readonly Judged[], here: readonly Judged[], underWay: ReadonlySet<string>): Judged[] {
  const fresh = wanted.filter(({ verdict }) => verdict.kind === 'moves');
  const going = here.filter(({ pod }) => underWay.has(pod.uid));
  const orderOf = ({ verdict }: Judged): number => (verdict.kind === 'moves' ? verdict.order : 0);
  const lowest = Math.min(...fresh.map(orderOf), ...going.map(orderOf));
  return fresh
    .filter((judged) => orderOf(judged) === lowest)
    .sort(({ pod: a }, { pod: b }) => b.priority - a.priority || b.requests.memoryBytes - a.requests.memoryBytes);
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
    const others = attached.length > 1 ? ` and ${attached.length - 1} more` : '';
    const text = `still attached: volume ${attached[0]}${others}`;
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
  const message = `run ${context.definition.runId}: ${pods === 1 ? '1 pod' : `${pods} pods`} to move`;
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
    const reason = hold === undefined ? 'pods are still on their way' : sayHold(hold);
    throw new MaintenanceError('evacuation/timeout', 'halt', `not empty after ${lengthText(waitedMs)}: ${reason}`);
  }
  return hold ? waiting(hold, 1_000) : working(1_000);
}

/** Calls back what can be called back; pods that are gone already run elsewhere and stay there. */
export async function undoEvacuate(context: StepContext): Promise<void> {
  const view = await context.cluster.view(context.signal);
  for (const move of unfinishedMoves(context)) await callBackMove(context, view, move);
}
