/**
 * Make before break: a replacement is Ready elsewhere before the old pod goes.
 *
 * The pod is taken out of its ReplicaSet by its `pod-template-hash` label, which Services do not select by. The
 * ReplicaSet makes a replacement at once, the old pod serves on, and is evicted when the replacement is Ready. The
 * Deployment itself is never edited, so neither autoscalers nor Git are fought.
 */
import { podsOfOwner, podsOnNode } from '../cluster/groups.ts';
import type { PodRef, PodView } from '../cluster/pod.ts';
import { isReleased } from '../cluster/released.ts';
import type { Cluster, ClusterView, Workload } from '../ports/cluster.ts';
import type {
  Assessment,
  CancelAnswer,
  Detection,
  MoveContext,
  MoveOrder,
  MoveProgress,
  PodMover,
} from '../ports/movers.ts';
import { askForEviction, cancelEviction, isSeenLeaving, restartIn } from './evict.ts';

/** After so many looks at the view the API is asked again: somebody may have changed how many replicas are wanted. */
const looksBetween = 9;

export class SurgeMover implements PodMover {
  readonly name = 'surge';
  readonly #cluster: Cluster;
  /** By the uid of the old pod: whose replacement is not ready yet. */
  readonly #awaited = new Map<string, { readonly workload: Workload; readonly looksLeft: number }>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  detect(): Promise<Detection> {
    return Promise.resolve({ kind: 'ready', text: '' });
  }

  assess(pod: PodView): Assessment {
    const isReplica = pod.owner?.kind === 'ReplicaSet' && pod.labels['pod-template-hash'] !== undefined;
    if (!isReplica) return { kind: 'unable', blockers: ['not a replica of a Deployment'] };
    return restartIn(30_000 + pod.gracePeriodSeconds * 1_000);
  }

  async advance(order: MoveOrder, { view, signal }: MoveContext): Promise<MoveProgress> {
    const { pod } = order;
    if (isSeenLeaving(order, view)) return leavingServed;
    const awaited = this.#stillAwaited(order, view);
    if (awaited) return awaited;
    const now = await this.#cluster.readPod(pod, signal);
    if (!now || now.uid !== pod.uid) return { kind: 'done', evidence: { kept: 'nothing: restart' } };
    if (now.leaving) return leavingServed;
    const workload = await this.#cluster.workloadOf(now, signal);
    if (!workload) return { kind: 'failed', because: 'its Deployment is gone' };
    if (workload.recreates) return { kind: 'failed', because: 'its Deployment uses strategy Recreate' };
    const released = isReleased(now.labels) ? 'unchanged' : await this.#cluster.setReleased(pod, true, signal);
    if (released === 'gone') return { kind: 'done', evidence: { kept: 'nothing: restart' } };
    // Counted by ourselves: right after the release the ReplicaSet's own status still counts the old pod as ready.
    const ready = readyReplicas(view, pod, workload.name);
    if (released === 'changed' || ready < workload.wanted) {
      this.#awaited.set(pod.uid, { workload, looksLeft: looksBetween });
      return starting(ready, workload);
    }
    return askForEviction(this.#cluster, pod, signal);
  }

  /**
   * The view alone can tell that the replacement is not ready yet. How many replicas are wanted is asked anew now and then,
   * and always before anything is done. Nothing is lost with this memory: whoever has none asks at once.
   */
  #stillAwaited({ pod, source }: MoveOrder, view: ClusterView): MoveProgress | undefined {
    const known = this.#awaited.get(pod.uid);
    this.#awaited.delete(pod.uid);
    if (!known || known.looksLeft === 0) return undefined;
    const seen = podsOnNode(view.pods, source).find(({ uid }) => uid === pod.uid);
    const ready = readyReplicas(view, pod, known.workload.name);
    if (!seen || !isReleased(seen.labels) || ready >= known.workload.wanted) return undefined;
    this.#awaited.set(pod.uid, { ...known, looksLeft: known.looksLeft - 1 });
    return starting(ready, known.workload);
  }

  async cancel({ pod }: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const answer = await cancelEviction(this.#cluster, pod, signal);
    if (answer.kind === 'cancelled') await this.#cluster.setReleased(pod, false, signal);
    return answer;
  }
}

const leavingServed: MoveProgress = {
  kind: 'cutover',
  note: 'shutting down; its replacement serves',
  isCommitted: true,
};

function starting(ready: number, { wanted }: Workload): MoveProgress {
  return { kind: 'copying', note: `replacement starting, ${ready} of ${wanted} ready` };
}

function readyReplicas(view: ClusterView, leaving: PodRef, replicaSet: string): number {
  const replicas = podsOfOwner(view.pods, leaving.namespace, { kind: 'ReplicaSet', name: replicaSet });
  return replicas.filter((pod) => pod.uid !== leaving.uid && pod.ready && !pod.leaving).length;
}
