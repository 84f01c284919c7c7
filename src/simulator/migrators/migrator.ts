/**
 * What the three simulated live migrators have in common: they watch their own kind of objects, take one step of each after
 * a delay, and write its status. It decides nothing about phases.
 */
import { isRecord, type JsonRecord } from '../../cluster/json.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Timers } from '../kubernetes/timers.ts';
import { kinds, type Kind } from '../kubernetes/kinds.ts';
import { controllerOf, type ApiObject, type PodObject } from '../kubernetes/objects.ts';
import { Refusal } from '../kubernetes/refusal.ts';
import { Memories } from './memories.ts';

/** How a migration goes wrong; each migrator says in its own words. */
export type MigratorFault =
  | 'none'
  /** Never taken up. */
  | 'staysPending'
  /** Refused after a look, before anything was touched. */
  | 'refuses'
  /** No node will take the new pod. */
  | 'targetUnschedulable'
  /** Copying never comes to its end. */
  | 'copyStalls'
  /** Given up while copying; the source runs on. */
  | 'copyFails'
  /** Ends well, but a container was started anew instead of being restored. */
  | 'coldStart'
  /** Fails when there is no way back any more. */
  | 'failsAfterCommit';

export interface MigratorWorld {
  readonly api: KubernetesApi;
  readonly controlPlane: { readonly timers: Timers };
}

export interface MigratorOptions {
  /** From one phase to the next, in milliseconds. */
  readonly stepMs?: number | undefined;
  /** Of the copying, in milliseconds. */
  readonly copyMs?: number | undefined;
  /** How the migration of a pod of this name goes. */
  readonly faultOf?: ((pod: string) => MigratorFault) | undefined;
}

export abstract class Migrator {
  readonly api: KubernetesApi;
  readonly memories: Memories;
  readonly #timers: Timers;
  readonly #options: MigratorOptions;
  readonly #kind: Kind;
  /** How many migrations have passed their commit point: a checker has to have seen some. */
  committed = 0;

  constructor({ api, controlPlane }: MigratorWorld, kind: Kind, options: MigratorOptions) {
    this.api = api;
    this.memories = new Memories(api.store);
    this.#timers = controlPlane.timers;
    this.#options = options;
    this.#kind = kind;
    api.kinds.add(kind);
    api.store.subscribe(({ kind: changed, type, object, previous }) => {
      if (changed !== kind || type === 'DELETED') return;
      const isNew = type === 'ADDED';
      const isLeaving = object.metadata.deletionTimestamp !== undefined;
      const isNewlyLeaving = isLeaving && previous?.metadata.deletionTimestamp === undefined;
      if (isNew || isNewlyLeaving) this.soon(object);
    });
  }

  /** Nodes from which a migration is past its commit point and not over: none of them may be rebooted now. */
  abstract nodesPastCommit(): string[];

  /** One look at a migration, and what follows from it. */
  protected abstract step(object: ApiObject): void;

  protected faultOf(pod: string): MigratorFault {
    return this.#options.faultOf?.(pod) ?? 'none';
  }

  protected get copyMs(): number {
    return this.#options.copyMs ?? 4_000;
  }

  protected get stepMs(): number {
    return this.#options.stepMs ?? 500;
  }

  protected soon(object: ApiObject, afterMs = this.stepMs): void {
    const { uid, namespace, name } = object.metadata;
    this.#timers.after(afterMs, () => {
      const now = this.api.store.get(this.#kind, namespace, name);
      if (now?.metadata.uid === uid) this.step(now);
    });
  }

  protected all(): ApiObject[] {
    return [...this.api.store.list(this.#kind)];
  }

  protected setStatus(object: ApiObject, change: JsonRecord): ApiObject {
    const now = this.api.store.get(this.#kind, object.metadata.namespace, object.metadata.name) ?? object;
    const before = isRecord(now.status) ? now.status : {};
    return this.api.registry.setStatus(this.#kind, now, { ...before, ...change });
  }

  protected setFinalizers(object: ApiObject, finalizers: readonly string[]): void {
    const now = this.api.store.get(this.#kind, object.metadata.namespace, object.metadata.name);
    if (!now) return;
    this.api.registry.update(this.#kind, now, { ...now, metadata: { ...now.metadata, finalizers } });
  }

  protected pod(namespace: string | undefined, name: string): PodObject | undefined {
    return this.api.store.get(kinds.pods, namespace, name);
  }

  protected removePod(pod: PodObject): void {
    const now = this.pod(pod.metadata.namespace, pod.metadata.name);
    if (now?.metadata.uid === pod.metadata.uid) {
      this.api.registry.delete(kinds.pods, now, { gracePeriodSeconds: 0 });
    }
  }

  /** The same pod once more, on a chosen node, of the same owner. */
  protected clonePod(source: PodObject, node: string, name: string): PodObject | undefined {
    const { nodeName: _node, ...spec } = source.spec;
    const { labels, annotations, ownerReferences } = source.metadata;
    try {
      return this.api.registry.create(kinds.pods, source.metadata.namespace ?? '', {
        metadata: {
          name,
          ...(labels && { labels }),
          ...(annotations && { annotations }),
          ...(ownerReferences && { ownerReferences }),
        },
        spec: { ...spec, nodeName: node },
      });
    } catch (error) {
      if (error instanceof Refusal) return undefined;
      throw error;
    }
  }
}

/** Owners that give their pods fixed names: the next one can only be made once the old one is gone. */
export function keepsItsName(pod: PodObject): boolean {
  const owner = controllerOf(pod)?.kind;
  return owner === undefined || owner === 'StatefulSet';
}

export function hasRoomOn(api: KubernetesApi, node: string): boolean {
  const found = api.store.get(kinds.nodes, undefined, node);
  return found !== undefined && found.spec.unschedulable !== true;
}
