/**
 * Ways to move a pod off its server. One port, many movers: live migration, surge, eviction.
 *
 * A mover never chooses whether a pod may be moved (the verdict does, before anything is cordoned), nor where to and how
 * many at once (the evacuation does, and writes it down before the move begins).
 */
import type { PodRef, PodView } from '../cluster/pod.ts';
import type { ClusterView } from './cluster.ts';

export type MoverName = 'kubevirt' | 'paguro' | 'castai' | 'criu' | 'surge' | 'evict';

/** What a pod keeps when it is moved this way, best first. */
export const movePromises = ['everything', 'in-cluster connections', 'memory', 'nothing: restart'] as const;
export type MovePromise = (typeof movePromises)[number];

/** Whether the cluster has what a mover needs. `text` is for people: version, limits, what is switched on. */
export type Detection =
  | {
      readonly kind: 'ready';
      readonly text: string;
      /** What this mover itself puts up with at once, where it says so; the plan's limits hold beside it. */
      readonly atOnce?: { readonly perServer?: number; readonly perCluster?: number } | undefined;
    }
  | {
      readonly kind: 'missing';
      readonly because: string;
      /** It is there and cannot be used as it is: somebody should know. */
      readonly isWrong?: boolean | undefined;
    };

export type Assessment =
  | {
      readonly kind: 'able';
      readonly promise: MovePromise;
      readonly predictedMs: number;
      /** Longer than this it may not take before the commit point; grows with the memory that has to be copied. */
      readonly timeoutMs: number;
    }
  /** Every reason there is, each named for a person: `host network`, `hostPath volume data`. Never empty. */
  | { readonly kind: 'unable'; readonly blockers: readonly string[] }
  /** Not of the sort that this mover moves at all: nothing that anybody would want to hear about. */
  | { readonly kind: 'other' };

/** What was decided and written down before a move began. A restarted daemon gets the same order again. */
export interface MoveOrder {
  /** Of this try alone; a valid name of a Kubernetes object. Whatever the mover creates is named after it. */
  readonly id: string;
  readonly pod: PodRef;
  /** The node that it leaves. */
  readonly source: string;
  /** The node that it goes to; empty where the scheduler chooses (surge, eviction). */
  readonly target: string;
  readonly promise: MovePromise;
  readonly startedMs: number;
  readonly timeoutMs: number;
  /** Its mover has said before that it is under way: what it had begun and is gone was taken away by somebody else. */
  readonly hasBegun: boolean;
  /** The journal says that the commit point was about to be passed: from here on there is no way back. */
  readonly isCommitted: boolean;
}

/** What the pod has really kept, which may be less than was promised, and where it is now as far as is known. */
export interface MoveEvidence {
  readonly kept: MovePromise;
  readonly uid?: string | undefined;
  readonly node?: string | undefined;
  /** How long the pod stood still, where the mover has measured it. */
  readonly freezeMs?: number | undefined;
  readonly parts?: FreezeParts | undefined;
}

/** What the time went on in which nobody answered, in milliseconds. */
export interface FreezeParts {
  /** The address goes over; the pod still runs, and what comes for it is kept. */
  readonly networkMs: number;
  readonly dumpMs: number;
  readonly transferMs: number;
  readonly restoreMs: number;
}

/** One vocabulary for all movers. Times of day are the engine's business. */
export type MoveProgress =
  | { readonly kind: 'queued'; readonly waitingFor: string }
  | {
      readonly kind: 'copying';
      readonly note: string;
      readonly doneBytes?: number | undefined;
      readonly totalBytes?: number | undefined;
      readonly bytesPerSecond?: number | undefined;
    }
  /** Frozen, or changing hands. Once committed the source may no longer be called back. */
  | { readonly kind: 'cutover'; readonly note: string; readonly isCommitted: boolean }
  /**
   * Proven. The pod of this uid no longer runs on its server; after a live move the new one is Ready elsewhere. Nothing of
   * the move needs the source any more.
   */
  | { readonly kind: 'done'; readonly evidence: MoveEvidence; readonly because?: string | undefined }
  /** The source runs on as if nothing had happened; under another uid where its object had to be made anew. */
  | { readonly kind: 'rolledBack'; readonly because: string; readonly uid?: string | undefined }
  /** Did not work, and the source may be gone; this mover is not tried again with this pod. */
  | { readonly kind: 'failed'; readonly because: string };

export interface MoveContext {
  readonly view: ClusterView;
  readonly signal: AbortSignal;
  /**
   * For a mover that passes the commit point itself: writes down that it is about to. Only once this has returned may it be
   * passed. A mover that only watches somebody else pass it says so by `cutover`.
   */
  commit(): Promise<void>;
}

export type CancelAnswer =
  /**
   * The source runs on and nothing of the move is left; also where nothing had begun. `uid`: it runs on under another one,
   * because its object had to be made anew. `price`: what it has lost by coming back.
   */
  | { readonly kind: 'cancelled'; readonly uid?: string | undefined; readonly price?: string | undefined }
  /** Asked for; ask again. */
  | { readonly kind: 'cancelling' }
  /** Too late: the move goes on to its end. */
  | { readonly kind: 'committed' };

export interface PodMover {
  readonly name: MoverName;
  /**
   * Whether the cluster has what this mover needs, and a look at whatever `assess` goes by. Cheap to call again and again:
   * what seldom changes is asked for seldom.
   */
  detect(signal: AbortSignal): Promise<Detection>;
  /** From the view and what `detect` saw last: can this pod be moved at all, or to this node? Changes nothing. */
  assess(pod: PodView, view: ClusterView, target?: string): Assessment;
  /**
   * Brings the move one step further and says where it is. Called again and again, by whichever daemon is alive: all
   * that a mover knows it reads from order and world, so nothing is started twice. A call lasts seconds at most; the
   * freeze of a mover that freezes by itself lies within one call.
   */
  advance(order: MoveOrder, context: MoveContext): Promise<MoveProgress>;
  /** Gives up before the commit point and leaves the source running. Asked again, it answers the same again. */
  cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer>;
}
