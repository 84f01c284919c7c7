/** What every simulated controller works with, and how long each takes. */
import { controllerOf, type ApiObject, type PodObject } from '../objects.ts';
import { kinds } from '../kinds.ts';
import type { Registry } from '../registry.ts';
import type { Change, Store } from '../store.ts';
import type { Timers } from '../timers.ts';

export interface ControllerTimes {
  /** How soon a controller looks at what changed. */
  readonly reactionMs: number;
  /** The disruption controller is behind for this long; evictions are judged by what it wrote last. */
  readonly disruptionMs: number;
  readonly scheduleMs: number;
  /** From the system being up to the kubelet reporting. */
  readonly kubeletStartMs: number;
  readonly podStartMs: number;
  readonly podReadyMs: number;
  /** How long a pod takes to end, if its grace period lets it. */
  readonly podStopMs: number;
  /** Without a word from the kubelet for this long, the node is Unknown. */
  readonly nodeGraceMs: number;
  readonly attachMs: number;
  readonly detachMs: number;
  /** A disruption that was charged and never happened is forgotten. */
  readonly disruptionTimeoutMs: number;
}

export const defaultTimes: ControllerTimes = {
  reactionMs: 20,
  disruptionMs: 100,
  scheduleMs: 10,
  kubeletStartMs: 2_000,
  podStartMs: 1_000,
  podReadyMs: 2_000,
  podStopMs: 1_500,
  nodeGraceMs: 40_000,
  attachMs: 500,
  detachMs: 1_500,
  disruptionTimeoutMs: 120_000,
};

export interface Context {
  readonly registry: Registry;
  readonly store: Store;
  readonly timers: Timers;
  readonly times: ControllerTimes;
  readonly pods: PodIndex;
  /** How many pods an owner of a kind that is not played here wants, by uid. */
  readonly scaleOf?: ((uid: string) => number | undefined) | undefined;
}

export interface Controller {
  onChange(change: Change): void;
}

export function keyOf(object: ApiObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

export function splitKey(key: string): [namespace: string, name: string] {
  const at = key.indexOf('/');
  return [key.slice(0, at), key.slice(at + 1)];
}

const none: ReadonlyMap<string, PodObject> = new Map();

/** Pods by node and by controlling owner, and those without one, so that no controller has to look at all of them. */
export class PodIndex {
  readonly #byNode = new Map<string, Map<string, PodObject>>();
  readonly #byOwner = new Map<string, Map<string, PodObject>>();
  readonly #orphans = new Map<string, Map<string, PodObject>>();

  constructor(store: Store) {
    store.subscribe((change) => this.#note(change));
  }

  /** By uid, in the order in which they came to the node. */
  onNode(node: string): ReadonlyMap<string, PodObject> {
    return this.#byNode.get(node) ?? none;
  }

  ownedBy(uid: string): ReadonlyMap<string, PodObject> {
    return this.#byOwner.get(uid) ?? none;
  }

  /** Of a namespace those that nobody controls. */
  orphansIn(namespace: string): ReadonlyMap<string, PodObject> {
    return this.#orphans.get(namespace) ?? none;
  }

  #note({ kind, type, object, previous }: Change): void {
    if (kind !== kinds.pods) return;
    const [before, now] = [previous as PodObject | undefined, object as PodObject];
    const uid = now.metadata.uid;
    const place = (
      map: Map<string, Map<string, PodObject>>,
      old: string | undefined,
      next: string | undefined,
    ): void => {
      if (old !== undefined && (old !== next || type === 'DELETED')) map.get(old)?.delete(uid);
      if (next === undefined || type === 'DELETED') return;
      const pods = map.get(next);
      if (pods) pods.set(uid, now);
      else map.set(next, new Map([[uid, now]]));
    };
    place(this.#byNode, before?.spec.nodeName, now.spec.nodeName);
    const [ownerBefore, owner] = [before && controllerOf(before)?.uid, controllerOf(now)?.uid];
    place(this.#byOwner, ownerBefore, owner);
    const { namespace = '' } = now.metadata;
    const wasOrphan = before !== undefined && ownerBefore === undefined;
    place(this.#orphans, wasOrphan ? namespace : undefined, owner === undefined ? namespace : undefined);
  }
}
