/**
 * The last way: the Eviction API, which ends the pod and lets its controller make a new one elsewhere.
 *
 * It never deletes, so budgets are always honoured.
 */
import { unreachable } from '../errors/maintenance-error.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import type { Cluster, EvictionAnswer } from '../ports/cluster.ts';
import type { Assessment, MoveProgress, PodMover } from '../ports/movers.ts';

export class EvictMover implements PodMover {
  readonly name = 'evict';
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  detect(): Promise<boolean> {
    return Promise.resolve(true);
  }

  assess(pod: PodView): Assessment {
    return { kind: 'able', promise: 'nothing: restart', predictedMs: pod.gracePeriodSeconds * 1_000 };
  }

  advance(pod: PodView, _view: unknown, signal: AbortSignal): Promise<MoveProgress> {
    return evictOnce(this.#cluster, pod, signal);
  }

  /** An eviction that was taken cannot be taken back, and one that was not has left no trace. */
  cancel(): Promise<void> {
    return Promise.resolve();
  }
}

/** Looks first: a pod that is gone or going is never evicted again, and the uid is the one just read. */
export async function evictOnce(cluster: Cluster, pod: PodView, signal: AbortSignal): Promise<MoveProgress> {
  const now = await cluster.readPod(pod, signal);
  if (!now || now.uid !== pod.uid) return { kind: 'done' };
  if (now.leaving) return { kind: 'cutover', note: 'shutting down' };
  return progressOf(await cluster.evict(pod, signal), pod);
}

function progressOf(answer: EvictionAnswer, pod: PodView): MoveProgress {
  switch (answer.kind) {
    case 'accepted':
      return { kind: 'cutover', note: 'shutting down' };
    case 'gone':
      return { kind: 'done' };
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
