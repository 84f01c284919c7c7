/**
 * Make before break: a replacement is Ready elsewhere before the old pod goes.
 *
 * The pod is taken out of its ReplicaSet by its `pod-template-hash` label, which Services do not select by. The
 * ReplicaSet makes a replacement at once, the old pod serves on, and is evicted when the replacement is Ready. The
 * Deployment itself is never edited, so neither autoscalers nor Git are fought.
 */
import { podsOfOwner } from '../cluster/groups.ts';
import type { PodRef, PodView } from '../cluster/pod.ts';
import type { Cluster, ClusterView } from '../ports/cluster.ts';
import type {
  Assessment,
  CancelAnswer,
  Detection,
  MoveContext,
  MoveOrder,
  MoveProgress,
  PodMover,
} from '../ports/movers.ts';
import { cancelEviction, evictOnce, restartIn } from './evict.ts';

export class SurgeMover implements PodMover {
  readonly name = 'surge';
  readonly #cluster: Cluster;

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

  async advance({ pod }: MoveOrder, { view, signal }: MoveContext): Promise<MoveProgress> {
    const now = await this.#cluster.readPod(pod, signal);
    if (!now || now.uid !== pod.uid) return { kind: 'done', evidence: { kept: 'nothing: restart' } };
    if (now.leaving) return { kind: 'cutover', note: 'shutting down; its replacement serves', isCommitted: true };
    const workload = await this.#cluster.workloadOf(now, signal);
    if (!workload) return { kind: 'failed', because: 'its Deployment is gone' };
    if (workload.recreates) return { kind: 'failed', because: 'its Deployment uses strategy Recreate' };
    const released = await this.#cluster.setReleased(pod, true, signal);
    if (released === 'gone') return { kind: 'done', evidence: { kept: 'nothing: restart' } };
    // Counted by ourselves: right after the release the ReplicaSet's own status still counts the old pod as ready.
    const ready = readyReplicas(view, pod, workload.name);
    if (released === 'changed' || ready < workload.wanted) {
      return { kind: 'copying', note: `replacement starting, ${ready} of ${workload.wanted} ready` };
    }
    return evictOnce(this.#cluster, pod, signal);
  }

  async cancel({ pod }: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const answer = await cancelEviction(this.#cluster, pod, signal);
    if (answer === 'cancelled') await this.#cluster.setReleased(pod, false, signal);
    return answer;
  }
}

function readyReplicas(view: ClusterView, leaving: PodRef, replicaSet: string): number {
  const replicas = podsOfOwner(view.pods, leaving.namespace, { kind: 'ReplicaSet', name: replicaSet });
  return replicas.filter((pod) => pod.uid !== leaving.uid && pod.ready && !pod.leaving).length;
}
