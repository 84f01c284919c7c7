/**
 * Ways to move a pod off its server. One port, many movers: live migration, surge, eviction.
 *
 * A mover never chooses whether a pod may be moved; the verdict does, before anything is cordoned.
 */
import type { PodView } from '../cluster/pod.ts';
import type { ClusterView } from './cluster.ts';

export type MoverName = 'kubevirt' | 'paguro' | 'castai' | 'criu' | 'surge' | 'evict';

/** What a pod keeps when it is moved this way, best first. */
type MovePromise = 'everything' | 'in-cluster connections' | 'memory' | 'nothing: restart';

export type Assessment =
  | { readonly kind: 'able'; readonly promise: MovePromise; readonly predictedMs: number }
  | { readonly kind: 'unable'; readonly because: string };

/** One vocabulary for all movers. Times of day are the engine's business. */
export type MoveProgress =
  | { readonly kind: 'queued'; readonly waitingFor: string }
  | { readonly kind: 'copying'; readonly note: string }
  | { readonly kind: 'cutover'; readonly note: string }
  /** Proven: the pod of this uid is gone from its server. */
  | { readonly kind: 'done' }
  /** The source runs on as if nothing had happened. */
  | { readonly kind: 'rolledBack'; readonly because: string }
  | { readonly kind: 'failed'; readonly because: string };

export interface PodMover {
  readonly name: MoverName;
  /** Whether the cluster has what this mover needs. */
  detect(signal: AbortSignal): Promise<boolean>;
  assess(pod: PodView, view: ClusterView): Assessment;
  /**
   * Brings the move one step further and says where it is. Called again and again, by whichever daemon is alive: all
   * that a mover knows it reads from the world, so nothing is started twice.
   */
  advance(pod: PodView, view: ClusterView, signal: AbortSignal): Promise<MoveProgress>;
  /** Gives up before the commit point and leaves the source running. */
  cancel(pod: PodView, signal: AbortSignal): Promise<void>;
}
