/**
 * Whether one more live move may begin now, beside those that are under way anywhere. Pure.
 *
 * Eleven at once off one server stood still for up to 21 s each, one at a time for 0.7 s (measured by Paguro); so the
 * default is one per server. Restarts are not its business: the budgets of Kubernetes bound them.
 */
import type { PodRef, PodView } from '../cluster/pod.ts';
import type { MoveLimits } from '../spec/plan.ts';
import type { Arriving } from './targets.ts';

/** A move that is under way, from whichever run and daemon. */
export interface MoveUnderWay {
  /** Nodes. */
  readonly source: string;
  /** Empty where the scheduler chooses. */
  readonly target: string;
  readonly mover: string;
  readonly isLive: boolean;
  /** As it is called on its source. */
  readonly pod: PodRef;
  /** `namespace/name` of the budgets that cover its pod. */
  readonly budgets: readonly string[];
}

/** What the mover itself puts up with at once. */
export interface MoverLimits {
  readonly perServer?: number | undefined;
  readonly perCluster?: number | undefined;
}

interface Asked {
  readonly source: string;
  readonly mover: string;
  readonly budgets: readonly string[];
  readonly limits: MoveLimits;
  readonly moverLimits: MoverLimits;
  readonly underWay: readonly MoveUnderWay[];
}

/** Why no live move may begin from this server now, wherever it would go to. */
export function whyNotNow({ source, mover, budgets, limits, moverLimits, underWay }: Asked): string | undefined {
  const live = underWay.filter(({ isLive }) => isLive);
  const byMover = live.filter((move) => move.mover === mover);
  const perServer = Math.min(limits.perServer, moverLimits.perServer ?? limits.perServer);
  if (live.filter((move) => move.source === source).length >= perServer) {
    return `${perServer} at once leave ${source} alive (evacuation.limits.perServer)`;
  }
  if (live.length >= limits.perCluster) {
    return `${limits.perCluster} at once move alive in the cluster (evacuation.limits.perCluster)`;
  }
  const { perCluster } = moverLimits;
  if (perCluster !== undefined && byMover.length >= perCluster) {
    return `${mover} moves ${perCluster} at once in the cluster`;
  }
  // A live move is no disruption, but of two that stand still at the same moment the budget would know nothing.
  const shared = budgets.find((budget) => underWay.some((move) => move.budgets.includes(budget)));
  return shared === undefined ? undefined : `another pod of budget ${shared} is on its way`;
}

export function isTargetFull(target: string, limits: MoveLimits, underWay: readonly MoveUnderWay[]): boolean {
  return underWay.filter((move) => move.isLive && move.target === target).length >= limits.perTarget;
}

/**
 * The pods of these moves by the node that they go to, where they take room from the beginning on. One whose new pod is to be
 * seen there already counts twice until its move is over.
 */
export function arrivingBy(underWay: readonly MoveUnderWay[], pods: readonly PodView[]): Arriving {
  const byUid = new Map(pods.map((pod) => [pod.uid, pod]));
  const going = underWay.flatMap(({ target, pod }) => {
    const found = byUid.get(pod.uid);
    return target !== '' && found ? [{ target, found }] : [];
  });
  const byTarget = Map.groupBy(going, ({ target }) => target);
  return new Map([...byTarget].map(([node, moves]) => [node, moves.map(({ found }) => found)]));
}
