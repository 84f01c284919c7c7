/** The Kubernetes cluster, in the words of maintenance. Every method may be called any number of times. */
import type { NodeView } from '../cluster/node.ts';
import type { PendingMark } from '../cluster/pending.ts';
import type { PodRef, PodView } from '../cluster/pod.ts';
import type { ClusterObjects } from '../cluster/scrub.ts';
import type { ClusterView } from '../cluster/view.ts';

export type { ClusterView };

export type CordonAnswer =
  | { readonly kind: 'cordoned' }
  | { readonly kind: 'alreadyOurs' }
  /** Somebody else's cordon, or another run's: left as it is. */
  | { readonly kind: 'foreign'; readonly by: string };

export type EvictionAnswer =
  /** Taken; the pod will go within its grace period. */
  | { readonly kind: 'accepted' }
  /** No pod of this name and uid exists any more. */
  | { readonly kind: 'gone' }
  /** A budget says "not now" (429 with cause DisruptionBudget). */
  | { readonly kind: 'budget'; readonly budget: string; readonly message: string }
  /** A migrator has taken the eviction as a request to move the pod; look again later. */
  | { readonly kind: 'migrating'; readonly message: string }
  /** 429 without a known reason, e.g. API priority and fairness; look again later. */
  | { readonly kind: 'throttled'; readonly message: string; readonly retryAfterMs?: number | undefined }
  /** No waiting helps: two budgets on one pod, a machine that cannot migrate, … */
  | { readonly kind: 'blocked'; readonly message: string };

/** KEP-5683 condition types, published while we work on a node. */
type MaintenanceCondition = 'MaintenancePlanned' | 'MaintenanceInProgress' | 'DrainInProgress' | 'Drained';

export interface ConditionUpdate {
  readonly type: MaintenanceCondition;
  readonly status: boolean;
  /** CamelCase, as the Kubernetes API wants it. */
  readonly reason: string;
  readonly message: string;
}

/** A right that Pitcrew needs, for `doctor`. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  /** Needed only there; cluster-wide where it is left out. */
  readonly namespace?: string | undefined;
}

/** What a surge needs to know of the ReplicaSet behind a pod. */
export interface Workload {
  readonly name: string;
  readonly wanted: number;
  /** Its Deployment uses strategy `Recreate`: two versions must never run side by side, so no surge. */
  readonly recreates: boolean;
}

export interface Cluster {
  /** The latest view. Rejects with `cluster/unreachable` where it is older than the adapter's bound. */
  view(signal: AbortSignal): Promise<ClusterView>;
  /** Read straight from the API, for the last check before something irreversible. `undefined`: no such node. */
  readNode(name: string, signal: AbortSignal): Promise<NodeView | undefined>;
  readPod(pod: { namespace: string; name: string }, signal: AbortSignal): Promise<PodView | undefined>;
  /** All pods bound to a node, asked of the API now: the view may be behind, and a reboot must not rest on it. */
  readPodsOn(node: string, signal: AbortSignal): Promise<PodView[]>;
  cordon(node: string, runId: string, reason: string, signal: AbortSignal): Promise<CordonAnswer>;
  /** Lifts only the cordon of this run; a node that is not cordoned, or not by this run, is left as it is. */
  uncordon(node: string, runId: string, signal: AbortSignal): Promise<'uncordoned' | 'notCordoned' | 'notOurs'>;
  /**
   * Marks the node as one that this run has yet to come to, or takes that mark away: `PreferNoSchedule` taints, so that pods
   * go there only where nothing else is left. Another run's mark is not taken away, and everybody's other taints stay as they are.
   */
  setPending(node: string, runId: string, mark: PendingMark | undefined, signal: AbortSignal): Promise<void>;
  setConditions(node: string, updates: readonly ConditionUpdate[], signal: AbortSignal): Promise<void>;
  /** With a uid precondition, so that a replacement of the same name is never evicted. */
  evict(pod: PodRef, signal: AbortSignal): Promise<EvictionAnswer>;
  /** Names of the VolumeAttachments that still tie a volume to this node. */
  attachedVolumes(node: string, signal: AbortSignal): Promise<string[]>;
  /**
   * Takes a replicated pod out of its ReplicaSet by changing its `pod-template-hash` label, so that a replacement is
   * made while it still serves; or puts the label back. `gone`: no pod of this uid any more.
   */
  setReleased(pod: PodRef, released: boolean, signal: AbortSignal): Promise<'changed' | 'unchanged' | 'gone'>;
  /**
   * The ReplicaSet that a pod belongs to, or belonged to before `setReleased`, read fresh. `undefined`: it has none, or
   * it is gone.
   */
  workloadOf(pod: PodView, signal: AbortSignal): Promise<Workload | undefined>;
  /** Takes or renews the node's maintenance Lease (Medik8s convention). */
  holdNodeLease(
    node: string,
    holder: string,
    durationSeconds: number,
    signal: AbortSignal,
  ): Promise<'held' | { by: string }>;
  releaseNodeLease(node: string, holder: string, signal: AbortSignal): Promise<void>;
  /** A Kubernetes Event on the node, best effort by nature. */
  announce(node: string, reason: string, message: string, signal: AbortSignal): Promise<void>;
  /** Everything that a snapshot holds of the cluster, read now and scrubbed. */
  readObjects(signal: AbortSignal): Promise<ClusterObjects>;
  /** The needed rights that this identity does not have. */
  missingRights(signal: AbortSignal): Promise<Right[]>;
  version(signal: AbortSignal): Promise<string>;
  /** Called after each change of the view; returns how to stop. */
  onChange(listener: () => void): () => void;
}
