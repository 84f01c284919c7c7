/**
 * By which mover a pod goes, and where to. The first way that the verdict allows for which a mover is there, able, and has
 * not failed with this pod already; a live move goes to the best node that its mover says it can go to.
 *
 * It begins nothing.
 */
import { podKey, type PodView } from '../cluster/pod.ts';
import { rankTargets, type Arriving } from '../evacuation/targets.ts';
import type { Verdict } from '../evacuation/verdict.ts';
import type { ClusterView } from '../ports/cluster.ts';
import type { MoverName, PodMover } from '../ports/movers.ts';
import type { Hold } from '../workflow/hold.ts';
import type { Move } from '../workflow/move-state.ts';
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
}

/** What to do with the pod, or what it has to wait for. */
export function chooseMove({ context, view, ready, pod, verdict }: Choice): Chosen | Hold {
  const before = context.state.moves[pod.uid];
  const names = verdict.kind === 'moves' ? verdict.ways.flatMap((way) => moversFor(way, pod)) : [];
  for (const name of names) {
    const mover = ready.get(name)?.mover;
    if (!mover || hasFailed(before, name)) continue;
    const chosen = isLiveMover(name) ? toNode(context, view, mover, pod) : anywhere(view, mover, pod);
    if (chosen) return chosen;
  }
  const reason = before?.because || 'no way to move it is left';
  return { kind: 'blocked', by: `${podKey(pod)}: ${reason}` };
}

function hasFailed(before: Move | undefined, name: MoverName): boolean {
  const tries = before?.tries.filter(({ mover }) => mover === name) ?? [];
  const isOver = tries.some(({ result }) => result === 'failed');
  return isOver || tries.length >= (isLiveMover(name) ? liveTries : 1);
}

function anywhere(view: ClusterView, mover: PodMover, pod: PodView): Chosen | undefined {
  const assessment = mover.assess(pod, view);
  return assessment.kind === 'able' ? { mover, target: '', assessment } : undefined;
}

function toNode(context: StepContext, view: ClusterView, mover: PodMover, pod: PodView): Chosen | undefined {
  const tried = context.state.moves[pod.uid]?.tries.map(({ target }) => target) ?? [];
  for (const { name } of rankTargets(pod, view, arrivingAt(context, view))) {
    if (tried.includes(name)) continue;
    const assessment = mover.assess(pod, view, name);
    if (assessment.kind === 'able') return { mover, target: name, assessment };
  }
  return undefined;
}

/** Pods that are being moved to a node count there already. */
function arrivingAt(context: StepContext, view: ClusterView): Arriving {
  const pods = new Map(view.pods.map((pod) => [pod.uid, pod]));
  const going = unfinishedMoves(context).flatMap(({ target, pod }) => {
    const found = pods.get(pod.uid);
    return target !== '' && found ? [{ target, found }] : [];
  });
  return new Map(
    [...Map.groupBy(going, ({ target }) => target)].map(([node, moves]) => [node, moves.map(({ found }) => found)]),
  );
}
