/** How a pod could be moved by what is installed, as those who plan need to know it. Types only; it chooses nothing. */
import type { PodView } from '../cluster/pod.ts';
import type { LiveKeeps, MoveWay } from '../spec/plan.ts';
import type { ClosedWays } from './verdict.ts';

export interface MoveChoice {
  readonly way: MoveWay;
  readonly mover: string;
  /** What the pod keeps. */
  readonly promise: string;
  readonly predictedMs: number;
}

/** What the installed movers can do with a pod. */
export interface MoveOptions {
  readonly closedFor: (pod: PodView) => ClosedWays;
  /** Of these ways the first for which a mover is able, alive one that keeps enough, as the evacuation will choose it. */
  readonly choose: (pod: PodView, ways: readonly MoveWay[], liveKeeps: LiveKeeps) => MoveChoice | undefined;
}
