/**
 * Where the objects are: one revision counter for all kinds, and for each kind a short history for watches.
 *
 * It never judges a write; that is the registry's part. Listeners are called at once, in the order of their subscription.
 */
import { SortedViews } from '../../cluster/sorted-views.ts';
import { InvariantError } from '../../errors/maintenance-error.ts';
import type { ApiObject } from './objects.ts';
import type { Kind } from './kinds.ts';

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: Kind;
  readonly object: ApiObject;
  readonly previous: ApiObject | undefined;
  readonly revision: number;
}

export type ChangeListener = (change: Change) => void;

interface Collection {
  /** By namespace, then by name; those without a namespace under the empty name. */
  readonly namespaces: Map<string, Map<string, ApiObject>>;
  readonly sorted: SortedViews<ApiObject>;
  /** Changed since the last list, by key: lists are rare, and changes are not. */
  readonly unsorted: Map<string, ApiObject | undefined>;
  history: Change[];
  /** Changes up to this revision can no longer be replayed. */
  forgotten: number;
}

export interface StoreOptions {
  /** How many changes of one kind a watch can catch up on. */
  readonly historyLength: number;
  readonly firstRevision: number;
}

const defaultOptions: StoreOptions = { historyLength: 1000, firstRevision: 100 };

function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

export class Store {
  #revision: number;
  readonly #options: StoreOptions;
  readonly #collections = new Map<Kind, Collection>();
  readonly #listeners = new Set<ChangeListener>();

  constructor(options: Partial<StoreOptions> = {}) {
    this.#options = { ...defaultOptions, ...options };
    this.#revision = this.#options.firstRevision;
  }

  get revision(): number {
    return this.#revision;
  }

  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get<T extends ApiObject>(kind: Kind<T>, namespace: string | undefined, name: string): T | undefined {
    return this.#collection(kind)
      .namespaces.get(namespace ?? '')
      ?.get(name) as T | undefined;
  }

  /** Sorted by namespace and name, as a real server lists. */
  list<T extends ApiObject>(kind: Kind<T>): readonly T[] {
    const { sorted, unsorted } = this.#collection(kind);
    for (const [key, object] of unsorted) {
      if (object) sorted.set(key, object);
      else sorted.delete(key);
    }
    unsorted.clear();
    return sorted.all as readonly T[];
  }

  /** In the order of creation. */
  inNamespace<T extends ApiObject>(kind: Kind<T>, namespace: string): T[] {
    return [...(this.#collection(kind).namespaces.get(namespace)?.values() ?? [])] as T[];
  }

  insert<T extends ApiObject>(kind: Kind<T>, object: T): T {
    if (this.get(kind, object.metadata.namespace, object.metadata.name)) {
      throw new InvariantError('an object was inserted twice');
    }
    return this.#put(kind, 'ADDED', object, undefined);
  }

  replace<T extends ApiObject>(kind: Kind<T>, previous: T, object: T): T {
    if (this.get(kind, previous.metadata.namespace, previous.metadata.name) !== previous) {
      throw new InvariantError('an object was replaced that is no longer the stored one');
    }
    return this.#put(kind, 'MODIFIED', object, previous);
  }

  /** The last state goes to watchers with the revision of its removal. */
  remove<T extends ApiObject>(kind: Kind<T>, previous: T, last: T): T {
    const collection = this.#collection(kind);
    const { namespace = '', name } = previous.metadata;
    if (collection.namespaces.get(namespace)?.delete(name) !== true) {
      throw new InvariantError('an object was removed twice');
    }
    collection.unsorted.set(keyOf(namespace, name), undefined);
    const object = this.#stamp(last);
    this.#publish({ type: 'DELETED', kind, object, previous, revision: this.#revision }, collection);
    return object;
  }

  /** Changes after a revision, or what is the oldest revision that can still be caught up from. */
  since(kind: Kind, revision: number): readonly Change[] | { readonly oldest: number } {
    const collection = this.#collection(kind);
    if (revision < collection.forgotten) return { oldest: collection.forgotten };
    return collection.history.filter((change) => change.revision > revision);
  }

  #put<T extends ApiObject>(kind: Kind<T>, type: 'ADDED' | 'MODIFIED', next: T, previous: T | undefined): T {
    const collection = this.#collection(kind);
    const object = this.#stamp(next);
    const { name, namespace = '' } = object.metadata;
    collection.unsorted.set(keyOf(namespace, name), object);
    const siblings = collection.namespaces.get(namespace);
    if (siblings) siblings.set(name, object);
    else collection.namespaces.set(namespace, new Map([[name, object]]));
    this.#publish({ type, kind, object, previous, revision: this.#revision }, collection);
    return object;
  }

  #stamp<T extends ApiObject>(object: T): T {
    this.#revision += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
  }

  #publish(change: Change, collection: Collection): void {
    collection.history.push(change);
    // Trimmed in bulk: shifting one by one would move the whole list at every write.
    if (collection.history.length > 2 * this.#options.historyLength) {
      const dropped = collection.history.length - this.#options.historyLength;
      collection.forgotten = collection.history[dropped - 1]?.revision ?? collection.forgotten;
      collection.history = collection.history.slice(dropped);
    }
    for (const listener of this.#listeners) listener(change);
  }

  #collection(kind: Kind): Collection {
    const found = this.#collections.get(kind);
    if (found) return found;
    const made: Collection = {
      namespaces: new Map(),
      sorted: new SortedViews(),
      unsorted: new Map(),
      history: [],
      forgotten: this.#options.firstRevision,
    };
    this.#collections.set(kind, made);
    return made;
  }
}
