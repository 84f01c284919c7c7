/**
 * The last way: the Eviction API, which ends the pod and lets its controller make a new one elsewhere.
 *
 * It never deletes, so budgets are always honoured.
 */
import { unreachable } from '../errors/maintenance-error.ts';
import { podsOnNode } from '../cluster/groups.ts';
import { podKey, type PodRef, type PodView } from '../cluster/pod.ts';
import type { Cluster, ClusterView, EvictionAnswer } from '../ports/cluster.ts';
import type {
  Assessment,
  CancelAnswer,
  Detection,
  MoveContext,
  MoveOrder,
  MoveProgress,
  PodMover,
} from '../ports/movers.ts';

/** What comes after the end of the old pod is somebody else's doing and is not waited for. */
const gone: MoveProgress = { kind: 'done', evidence: { kept: 'nothing: restart' } };

export class EvictMover implements PodMover {
  readonly name = 'evict';
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  detect(): Promise<Detection> {
    return Promise.resolve({ kind: 'ready', text: '' });
  }

  assess(pod: PodView): Assessment {
    return restartIn(pod.gracePeriodSeconds * 1_000);
  }

  async advance(order: MoveOrder, { view, signal }: MoveContext): Promise<MoveProgress> {
    if (isSeenLeaving(order, view)) return leaving;
    return evictOnce(this.#cluster, order.pod, signal);
  }

  /** An eviction that was taken cannot be taken back, and one that was not has left no trace. */
  cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    return cancelEviction(this.#cluster, order.pod, signal);
  }
}

const leaving: MoveProgress = { kind: 'cutover', note: 'shutting down', isCommitted: true };

/** Who is on its way out never comes back from it; until the view shows it gone, the API need not be asked. */
export function isSeenLeaving({ pod, source }: MoveOrder, view: ClusterView): boolean {
  return podsOnNode(view.pods, source).some((seen) => seen.uid === pod.uid && seen.leaving);
}

/** Waiting for a budget is bounded by the evacuation as a whole, so a single eviction has no bound of its own. */
export function restartIn(predictedMs: number): Assessment {
  return { kind: 'able', promise: 'nothing: restart', predictedMs, timeoutMs: Number.MAX_SAFE_INTEGER };
}

export async function cancelEviction(cluster: Cluster, pod: PodRef, signal: AbortSignal): Promise<CancelAnswer> {
  const now = await cluster.readPod(pod, signal);
  return now?.uid === pod.uid && !now.leaving ? { kind: 'cancelled' } : { kind: 'committed' };
}

/** Looks first: a pod that is gone or going is never evicted again, and the uid is the one just read. */
export async function evictOnce(cluster: Cluster, pod: PodRef, signal: AbortSignal): Promise<MoveProgress> {
  const now = await cluster.readPod(pod, signal);
  if (!now || now.uid !== pod.uid) return gone;
  if (now.leaving) return leaving;
  return askForEviction(cluster, pod, signal);
}

/** For who has just read that the pod is there and stays; the API refuses where that is another pod by now. */
export async function askForEviction(cluster: Cluster, pod: PodRef, signal: AbortSignal): Promise<MoveProgress> {
  return progressOf(await cluster.evict(pod, signal), pod);
}

function progressOf(answer: EvictionAnswer, pod: PodRef): MoveProgress {
  switch (answer.kind) {
    case 'accepted':
      return leaving;
    case 'gone':
      return gone;
    case 'budget':
      return { kind: 'queued', waitingFor: `budget ${pod.namespace}/${answer.budget} ${shorten(answer)}` };
    case 'migrating':
      return { kind: 'copying', note: answer.message };
    case 'throttled':
      return { kind: 'queued', waitingFor: answer.message };
    case 'blocked':
      return { kind: 'failed', because: `${podKey(pod)}: ${answer.message}` };
    default:
      return unreachable(answer);
  }
}

/** The API repeats the budget's name: "The disruption budget web needs 2 healthy pods and has 2 currently". */
function shorten({ budget, message }: { budget: string; message: string }): string {
  return message.replace(`The disruption budget ${budget} `, 'allows none now: ');
}
