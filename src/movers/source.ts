/** What every live mover looks at beside its own objects: is the source still there, has the new pod arrived? Only reads. */
import { isRecord, textAt, recordAt, type JsonRecord } from '../cluster/json.ts';
import type { PodRef } from '../cluster/pod.ts';
import type { Cluster } from '../ports/cluster.ts';
import type { MoveOrder } from '../ports/movers.ts';

/** `ended`: no pod of this uid runs any more; a finished one that is kept for its logs counts as ended. */
export type SourceState = 'running' | 'leaving' | 'ended';

export async function sourceState(cluster: Cluster, pod: PodRef, signal: AbortSignal): Promise<SourceState> {
  const now = await cluster.readPod(pod, signal);
  if (!now || now.uid !== pod.uid || now.phase === 'Succeeded' || now.phase === 'Failed') return 'ended';
  return now.leaving ? 'leaving' : 'running';
}

export type Arrival =
  | { readonly kind: 'arrived'; readonly uid: string; readonly node: string }
  | { readonly kind: 'waiting'; readonly note: string }
  | { readonly kind: 'lost'; readonly because: string };

/** The proof: a pod with a new uid, on another node, Ready, and the source gone. */
export async function lookForArrival(
  cluster: Cluster,
  order: MoveOrder,
  arriving: { readonly name: string; readonly uid?: string | undefined },
  signal: AbortSignal,
): Promise<Arrival> {
  const { namespace } = order.pod;
  if (arriving.name === '') return { kind: 'waiting', note: 'its new pod has no name yet' };
  const now = await cluster.readPod({ namespace, name: arriving.name }, signal);
  const isOther = arriving.uid !== undefined && arriving.uid !== '' && now?.uid !== arriving.uid;
  if (!now || isOther) {
    return { kind: 'lost', because: `its new pod ${namespace}/${arriving.name} is gone again` };
  }
  if (now.uid === order.pod.uid || now.node === order.source) {
    return { kind: 'waiting', note: `${now.name} is still on ${order.source}` };
  }
  if (!now.ready) return { kind: 'waiting', note: `${now.name} is on ${now.node} and not Ready yet` };
  const source = await sourceState(cluster, order.pod, signal);
  if (source !== 'ended')
    return { kind: 'waiting', note: `${now.name} is Ready on ${now.node}; the old pod is leaving` };
  return { kind: 'arrived', uid: now.uid, node: now.node };
}

/** `metadata` and `status` of an object, with what is missing read as empty. */
export function partsOf(object: JsonRecord): {
  readonly name: string;
  readonly uid: string;
  readonly isBeingRemoved: boolean;
  readonly spec: JsonRecord;
  readonly status: JsonRecord;
} {
  const metadata = recordAt(object, 'metadata');
  return {
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
    isBeingRemoved: textAt(metadata, 'deletionTimestamp') !== '',
    spec: recordAt(object, 'spec'),
    status: recordAt(object, 'status'),
  };
}

export function recordsAt(value: unknown, key: string): JsonRecord[] {
  const found = isRecord(value) ? value[key] : undefined;
  return Array.isArray(found) ? found.filter(isRecord) : [];
}
