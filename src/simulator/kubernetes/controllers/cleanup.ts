/** What goes with something else: content of a namespace that is going, and objects whose controlling owner is gone. */
import { controllerOf, type ApiObject } from '../objects.ts';
import { kinds, type Kind, type KindTable } from '../kinds.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import type { Context, Controller } from './context.ts';

const ownedKinds: readonly Kind[] = [kinds.replicaSets, kinds.pods];
const owningKinds: ReadonlySet<Kind> = new Set<Kind>([
  kinds.deployments,
  kinds.replicaSets,
  kinds.statefulSets,
  kinds.daemonSets,
]);

export class Cleanup implements Controller {
  readonly #context: Context;
  readonly #table: KindTable;
  readonly #namespaces: DirtyKeys;

  constructor(context: Context, table: KindTable) {
    this.#context = context;
    this.#table = table;
    this.#namespaces = new DirtyKeys(context.timers, context.times.reactionMs, (name) => this.#empty(name));
  }

  onChange({ kind, type, object }: Change): void {
    const { store, timers, times } = this.#context;
    if (kind === kinds.namespaces && object.metadata.deletionTimestamp !== undefined && type !== 'DELETED') {
      this.#namespaces.add(object.metadata.name);
    }
    if (type !== 'DELETED') return;
    const namespace = object.metadata.namespace ?? '';
    const holder = store.get(kinds.namespaces, undefined, namespace);
    if (holder?.metadata.deletionTimestamp !== undefined) this.#namespaces.add(namespace);
    if (owningKinds.has(kind)) timers.after(times.reactionMs, () => this.#removeOwned(namespace, object.metadata.uid));
  }

  #empty(name: string): void {
    const { store, registry } = this.#context;
    const namespace = store.get(kinds.namespaces, undefined, name);
    if (!namespace) return;
    let left = 0;
    for (const kind of this.#table.all().filter((kind) => kind.namespaced)) {
      for (const object of store.inNamespace(kind, name)) {
        if (object.metadata.deletionTimestamp === undefined) registry.delete(kind, object);
      }
      left += store.inNamespace(kind, name).length;
    }
    if (left > 0) return;
    registry.update(kinds.namespaces, namespace, { ...namespace, spec: { finalizers: [] } });
  }

  #removeOwned(namespace: string, uid: string): void {
    const { store, registry } = this.#context;
    const isOwned = (object: ApiObject): boolean =>
      controllerOf(object)?.uid === uid && object.metadata.deletionTimestamp === undefined;
    for (const kind of ownedKinds) {
      for (const object of store.inNamespace(kind, namespace)) if (isOwned(object)) registry.delete(kind, object);
    }
  }
}
