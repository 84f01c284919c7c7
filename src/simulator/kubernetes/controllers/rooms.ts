/**
 * What is in use on each node, kept up to date change by change: the scheduler asks it of every node for every pod. It
 * decides nothing.
 */
import { parseRequests } from '../../../cluster/parse-requests.ts';
import type { Resources } from '../../../cluster/resources.ts';
import { kinds } from '../kinds.ts';
import { controllerOf, isFinished, type PodObject } from '../objects.ts';
import type { Change } from '../store.ts';

/** Containers are shared between versions of a pod, bound or not, so they are reckoned up once. */
const requestsByContainers = new WeakMap<object, Resources>();

export function requestsOf({ spec }: PodObject): Resources {
  const known = requestsByContainers.get(spec.containers);
  if (known) return known;
  const requests = parseRequests(spec);
  requestsByContainers.set(spec.containers, requests);
  return requests;
}

export interface InUse {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly pods: number;
  /** How many pods of each controlling owner, by uid. */
  readonly byOwner: ReadonlyMap<string, number>;
}

interface Counted {
  cpuMillis: number;
  memoryBytes: number;
  pods: number;
  readonly byOwner: Map<string, number>;
}

const nothing: InUse = { cpuMillis: 0, memoryBytes: 0, pods: 0, byOwner: new Map() };

export class Rooms {
  /** Bound pods that keep others away by required anti-affinity, by uid. */
  readonly repelling = new Map<string, PodObject>();
  readonly #byNode = new Map<string, Counted>();

  on(node: string): InUse {
    return this.#byNode.get(node) ?? nothing;
  }

  note({ kind, type, object, previous }: Change): void {
    if (kind !== kinds.pods) return;
    const [before, now] = [previous as PodObject | undefined, object as PodObject];
    // Most changes are of the status alone, and change nothing here.
    const isSame =
      type === 'MODIFIED' &&
      before?.spec === now.spec &&
      before.metadata.ownerReferences === now.metadata.ownerReferences &&
      isFinished(before) === isFinished(now);
    if (isSame) return;
    if (before && takesRoom(before)) this.#count(before, -1);
    if (type !== 'DELETED' && takesRoom(now)) this.#count(now, 1);
  }

  #count(pod: PodObject, sign: 1 | -1): void {
    const node = pod.spec.nodeName ?? '';
    const used = this.#byNode.get(node) ?? { ...nothing, byOwner: new Map() };
    this.#byNode.set(node, used);
    const { cpuMillis, memoryBytes } = requestsOf(pod);
    used.cpuMillis += sign * cpuMillis;
    used.memoryBytes += sign * memoryBytes;
    used.pods += sign;
    const owner = controllerOf(pod)?.uid;
    if (owner !== undefined) used.byOwner.set(owner, (used.byOwner.get(owner) ?? 0) + sign);
    const { uid } = pod.metadata;
    if (sign < 0) this.repelling.delete(uid);
    else if (pod.spec.affinity?.podAntiAffinity) this.repelling.set(uid, pod);
  }
}

/** A pod that has ended asks for nothing any more. */
function takesRoom(pod: PodObject): boolean {
  return pod.spec.nodeName !== undefined && !isFinished(pod);
}
