/**
 * What a write means: names, defaults, generations, finalizers, graceful deletion, terminating namespaces. Both doors
 * lead here, that of the API and that of the controllers. It never looks at who writes.
 */
import type { Clock, Random } from '../../ports/clock.ts';
import { isRecord, listAt, recordAt, textAt } from '../../cluster/json.ts';
import { apiVersionOf, kinds, type Draft, type Kind } from './kinds.ts';
import { isFinished, type ApiObject, type Metadata, type PodObject } from './objects.ts';
import * as refusal from './refusal.ts';
import type { Store } from './store.ts';
import { isEqual } from './equal.ts';
import { timestamp } from './time.ts';

/** Changes or refuses a new object before it is stored: admission policies and webhooks of the simulated cluster. */
export type Admitter = (kind: Kind, draft: Draft) => Draft;

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly dryRun?: boolean | undefined;
}

export class Registry {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly admitters: Admitter[] = [];

  constructor(store: Store, clock: Clock, random: Random) {
    this.store = store;
    this.clock = clock;
    this.random = random;
  }

  now(): string {
    return timestamp(this.clock.nowMs());
  }

  create<T extends ApiObject>(kind: Kind<T>, namespace: string, body: Draft, dryRun = false): T {
    const name = textAt(body.metadata, 'name') || this.#generatedName(textAt(body.metadata, 'generateName'));
    if (name === '') {
      throw refusal.invalidField(kind, '', 'metadata.name', 'Required value: name or generateName is required');
    }
    if (kind.namespaced) this.checkNamespace(kind, namespace, name);
    const { resourceVersion: _version, uid: _uid, ...given } = body.metadata ?? {};
    const metadata: Metadata = {
      ...(given as Partial<Metadata>),
      name,
      ...(kind.namespaced && { namespace }),
      uid: this.#uid(),
      resourceVersion: '',
      ...(kind.hasGeneration && { generation: 1 }),
      creationTimestamp: this.now(),
    };
    let draft: Draft = { ...body, kind: kind.kind, apiVersion: apiVersionOf(kind), metadata: { ...metadata } };
    for (const admit of this.admitters) draft = admit(kind, draft);
    draft = kind.admit?.(draft) ?? draft;
    draft = kind.complete?.(draft) ?? draft;
    if (kind.initialStatus) draft = { ...draft, status: kind.initialStatus(draft) };
    if (this.store.get(kind, metadata.namespace, name)) throw refusal.alreadyExists(kind, name);
    const object = draft as unknown as T;
    return dryRun ? object : this.store.insert(kind, object);
  }

  /** Refuses new content where the namespace is missing or on its way out. */
  checkNamespace(kind: Kind, namespace: string, name: string): void {
    const found = this.store.get(kinds.namespaces, undefined, namespace);
    if (!found) throw refusal.notFound(kinds.namespaces, namespace);
    if (found.metadata.deletionTimestamp !== undefined) throw refusal.namespaceTerminating(kind, name, namespace);
  }

  /** Spec and metadata from `next`, status as it was; and the other way round for the status subresource. */
  update<T extends ApiObject>(kind: Kind<T>, current: T, next: T, part: 'main' | 'status' = 'main', dryRun = false): T {
    const written =
      part === 'status'
        ? { ...current, metadata: this.#statusMetadata(current, next), status: next.status }
        : { ...next, ...(kind.hasStatus && { status: current.status }) };
    const completed = (kind.complete?.(written as unknown as Draft) ?? written) as unknown as T;
    const specChanged = kind.hasGeneration && !isEqual(current.spec, completed.spec);
    const object: T = {
      ...completed,
      apiVersion: current.apiVersion,
      kind: current.kind,
      metadata: {
        ...completed.metadata,
        uid: current.metadata.uid,
        creationTimestamp: current.metadata.creationTimestamp,
        resourceVersion: current.metadata.resourceVersion,
        ...(kind.hasGeneration && { generation: (current.metadata.generation ?? 0) + (specChanged ? 1 : 0) }),
        ...deletionOf(current),
      },
    };
    if (dryRun) return object;
    if (isEqual(current, object)) return current;
    if (mayVanish(kind, object)) return this.store.remove(kind, current, object);
    return this.store.replace(kind, current, object);
  }

  /** For controllers: writes the status without going through defaults. */
  setStatus<T extends ApiObject>(kind: Kind<T>, current: T, status: T['status']): T {
    return isEqual(current.status, status) ? current : this.store.replace(kind, current, { ...current, status });
  }

  /** The object as it was left: still there while finalizers or a grace period hold it. */
  delete<T extends ApiObject>(kind: Kind<T>, current: T, options: DeleteOptions = {}): T {
    const { uid, name, resourceVersion } = current.metadata;
    if (options.uid !== undefined && options.uid !== uid) {
      throw refusal.failedPrecondition(kind, name, options.uid, uid);
    }
    if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
      throw refusal.modified(kind, name);
    }
    const isDryRun = options.dryRun === true;
    if (kind.resource === 'pods') {
      return this.#deletePod(kind, current as unknown as PodObject, options, isDryRun) as unknown as T;
    }
    const isHeld = (current.metadata.finalizers?.length ?? 0) > 0 || kind.resource === 'namespaces';
    if (isDryRun) return current;
    if (!isHeld) return this.store.remove(kind, current, current);
    if (current.metadata.deletionTimestamp !== undefined) return current;
    const leaving: T = {
      ...current,
      metadata: { ...current.metadata, deletionTimestamp: this.now(), deletionGracePeriodSeconds: 0 },
      ...(kind.resource === 'namespaces' && { status: { ...recordAt(current, 'status'), phase: 'Terminating' } }),
    };
    return this.store.replace(kind, current, leaving);
  }

  #deletePod(kind: Kind, pod: PodObject, options: DeleteOptions, isDryRun: boolean): ApiObject {
    const asked = options.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    // Nobody would ever confirm the end of a pod that no kubelet has, or that has ended already.
    const grace = pod.spec.nodeName === undefined || isFinished(pod) ? 0 : Math.max(0, asked);
    const before = pod.metadata.deletionGracePeriodSeconds;
    const isLonger = before !== undefined && (options.gracePeriodSeconds === undefined || grace >= before);
    if (isLonger && !(grace === 0 && before === 0)) return pod;
    const metadata: Metadata = {
      ...pod.metadata,
      // A pod that is marked a second time keeps its generation.
      ...(before === undefined && grace > 0 && { generation: (pod.metadata.generation ?? 0) + 1 }),
      deletionTimestamp: timestamp(this.clock.nowMs() + grace * 1000),
      deletionGracePeriodSeconds: grace,
    };
    const leaving: PodObject = { ...pod, metadata };
    if (isDryRun) return leaving;
    const isHeld = grace > 0 || (pod.metadata.finalizers?.length ?? 0) > 0;
    return isHeld ? this.store.replace(kind, pod, leaving) : this.store.remove(kind, pod, leaving);
  }

  /** A kubelet or controller may mark a pod through its status, but never change whose it is. */
  #statusMetadata(current: ApiObject, next: ApiObject): Metadata {
    const { ownerReferences: _owners, finalizers: _finalizers, ...given } = next.metadata;
    const { ownerReferences, finalizers } = current.metadata;
    return { ...given, ...(ownerReferences && { ownerReferences }), ...(finalizers && { finalizers }) };
  }

  #generatedName(prefix: string): string {
    return prefix === '' ? '' : `${prefix}${this.suffix(5)}`;
  }

  /** Letters and digits that spell no words, as Kubernetes takes them for generated names. */
  suffix(length: number): string {
    const letters = 'bcdfghjklmnpqrstvwxz2456789';
    return Array.from({ length }, () => letters.charAt(Math.floor(this.random.next() * letters.length))).join('');
  }

  #uid(): string {
    const part = (): string =>
      Math.floor(this.random.next() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
    const [a, b, c, d] = [part(), part(), part(), part()];
    return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
  }
}

function deletionOf(current: ApiObject): Partial<Metadata> {
  const { deletionTimestamp, deletionGracePeriodSeconds } = current.metadata;
  if (deletionTimestamp === undefined) return {};
  return { deletionTimestamp, ...(deletionGracePeriodSeconds !== undefined && { deletionGracePeriodSeconds }) };
}

/** Marked for deletion, no finalizer left, nothing more to wait for. */
function mayVanish(kind: Kind, object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0) return false;
  if (kind.resource === 'namespaces') return listAt(object.spec, 'finalizers').length === 0;
  return deletionGracePeriodSeconds === 0;
}

export function isDraft(body: unknown): body is Draft {
  return isRecord(body) && (body['metadata'] === undefined || isRecord(body['metadata']));
}
