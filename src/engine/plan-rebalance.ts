/** The next move of a rebalancing with what is installed here: the planner's choice, and the mover that makes it. */
import { keepsLess } from '../evacuation/promises.ts';
import { judgePod, liveKeepsOf } from '../evacuation/verdict.ts';
import type { MoverLimits } from '../evacuation/move-limits.ts';
import type { PodView } from '../cluster/pod.ts';
import { Fit } from '../planner/fit.ts';
import type { PastMoves } from '../planner/past-moves.ts';
import { planRebalance, type PlannedMove } from '../planner/rebalance.ts';
import type { ClusterView } from '../ports/cluster.ts';
import type { PodMover } from '../ports/movers.ts';
import type { MoveWay } from '../spec/plan.ts';
import type { Chosen } from '../steps/moves.ts';
import { closedWays, detectMovers, moversFor } from '../steps/ways.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { EngineWorld } from './world.ts';

interface NextInput {
  readonly run: RunState;
  readonly view: ClusterView;
  readonly past: PastMoves;
  readonly signal: AbortSignal;
}

export interface NextMove {
  readonly planned: PlannedMove;
  readonly chosen: Chosen;
  /** What its mover itself puts up with at once. */
  readonly moverLimits: MoverLimits;
}

export function serverNodes({ definition }: RunState): Set<string> {
  return new Set(definition.servers.map(({ node }) => node));
}

export async function planNext(
  world: EngineWorld,
  { run, view, past, signal }: NextInput,
): Promise<NextMove | undefined> {
  const { definition } = run;
  const ready = await detectMovers(world.movers, signal);
  const closedFor = closedWays(ready, view);
  const moversOf = (way: MoveWay, pod: PodView): PodMover[] =>
    moversFor(way, pod).flatMap((name) => ready.get(name)?.mover ?? []);
  const chosenFor = (way: MoveWay, pod: PodView, target: string): Chosen | undefined => {
    const least = liveKeepsOf(pod, definition.evacuation);
    for (const mover of moversOf(way, pod)) {
      const assessment = mover.assess(pod, view, target === '' ? undefined : target);
      if (assessment.kind !== 'able' || (way === 'live' && keepsLess(assessment.promise, least))) continue;
      return { mover, target, assessment };
    }
    return undefined;
  };
  const fit = new Fit({ view, leaves: () => false, pending: new Map() });
  const { moves } = planRebalance({
    view,
    servers: serverNodes(run),
    policy: definition.rebalance?.policy === 'return' ? 'return' : 'spread',
    // After each move the cluster is looked at anew.
    maxMoves: 1,
    past,
    waysOf: (pod) => {
      const verdict = judgePod(pod, view.budgets, definition.evacuation, () => closedFor(pod));
      return verdict.kind === 'moves' ? verdict.ways : [];
    },
    canRun: (pod, node, way) => fit.couldRun(pod, node.name, way !== 'surge'),
    canGoAlive: (pod, node) => chosenFor('live', pod, node.name) !== undefined,
  });
  const [planned] = moves;
  const chosen = planned && chosenFor(planned.way, planned.pod, planned.way === 'live' ? planned.to : '');
  return planned && chosen && { planned, chosen, moverLimits: ready.get(chosen.mover.name)?.detection.atOnce ?? {} };
}
