/** Which pods are where and whose, kept up to date change by change, so that nobody has to look at all of them. */
import { kinds } from './kinds.ts';
import { controllerOf, type PodObject } from './objects.ts';
import type { Change, Store } from './store.ts';

const none: ReadonlyMap<string, PodObject> = new Map();

/** Pods by node and by controlling owner, and those without one. */
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
