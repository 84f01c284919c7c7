/**
 * StatefulSets: numbered pods of fixed names, one after the other. A pod is made again only when the old object of its
 * name is gone, so there are never two of one name.
 */
import { isPodReady, type PodObject, type WorkloadObject } from '../objects.ts';
import { kinds } from '../kinds.ts';
import { Refusal } from '../refusal.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';
import { countReady, createPod, deletePod, isLeaving, ownersOf, templateHash } from './pods-of-workloads.ts';

export class StatefulSetController implements Controller {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.reactionMs, (key) => this.#reconcile(key));
  }

  onChange({ kind, type, object, previous }: Change): void {
    if (kind === kinds.statefulSets && type !== 'DELETED') this.#dirty.add(keyOf(object));
    if (kind === kinds.pods) for (const key of ownersOf('StatefulSet', object, previous)) this.#dirty.add(key);
  }

  #reconcile(key: string): void {
    const { store, pods } = this.#context;
    const [namespace, name] = splitKey(key);
    const set = store.get(kinds.statefulSets, namespace, name);
    if (!set || isLeaving(set)) return;
    const wanted = set.spec.replicas ?? 1;
    this.#fill(set, wanted);
    const surplus = [...pods.ownedBy(set.metadata.uid).values()]
      .filter((pod) => ordinalOf(set, pod) >= wanted)
      .sort((a, b) => ordinalOf(set, b) - ordinalOf(set, a));
    const [highest] = surplus;
    if (highest && !isLeaving(highest)) deletePod(this.#context, highest);
    this.#writeStatus(set);
  }

  #fill(set: WorkloadObject, wanted: number): void {
    const isOrdered = set.spec.podManagementPolicy !== 'Parallel';
    for (let ordinal = 0; ordinal < wanted; ordinal += 1) {
      const name = `${set.metadata.name}-${ordinal}`;
      const found = this.#context.store.get(kinds.pods, set.metadata.namespace, name);
      if (!found) this.#create(set, ordinal);
      if (isOrdered && (!found || isLeaving(found) || !isPodReady(found))) return;
    }
  }

  #create(set: WorkloadObject, ordinal: number): void {
    const name = `${set.metadata.name}-${ordinal}`;
    const claims = (set.spec.volumeClaimTemplates ?? []).map((claim) => ({
      volume: claim.metadata.name,
      claimName: `${claim.metadata.name}-${name}`,
      spec: claim.spec,
    }));
    for (const { claimName, spec } of claims) this.#claim(set.metadata.namespace ?? '', claimName, spec);
    const volumes = claims.map(({ volume, claimName }) => ({ name: volume, persistentVolumeClaim: { claimName } }));
    createPod(this.#context, {
      owner: set,
      template: set.spec.template,
      name,
      labels: {
        'apps.kubernetes.io/pod-index': String(ordinal),
        'controller-revision-hash': `${set.metadata.name}-${templateHash(set.spec.template)}`,
        'statefulset.kubernetes.io/pod-name': name,
      },
      spec: {
        hostname: name,
        ...(set.spec.serviceName !== undefined && set.spec.serviceName !== '' && { subdomain: set.spec.serviceName }),
        ...(volumes.length > 0 && { volumes: [...(set.spec.template.spec.volumes ?? []), ...volumes] }),
      },
    });
  }

  #claim(namespace: string, name: string, spec: unknown): void {
    const { store, registry } = this.#context;
    if (store.get(kinds.persistentVolumeClaims, namespace, name)) return;
    try {
      registry.create(kinds.persistentVolumeClaims, namespace, { metadata: { name }, spec });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  #writeStatus({ metadata }: WorkloadObject): void {
    const { store, registry, pods } = this.#context;
    const set = store.get(kinds.statefulSets, metadata.namespace, metadata.name);
    if (!set) return;
    const owned = [...pods.ownedBy(metadata.uid).values()];
    const ready = countReady(owned.filter((pod) => !isLeaving(pod)));
    registry.setStatus(kinds.statefulSets, set, {
      observedGeneration: metadata.generation ?? 0,
      replicas: owned.length,
      readyReplicas: ready,
      availableReplicas: ready,
      currentReplicas: owned.length,
      updatedReplicas: owned.length,
    });
  }
}

function ordinalOf(set: WorkloadObject, pod: PodObject): number {
  return Number(pod.metadata.name.slice(set.metadata.name.length + 1));
}
