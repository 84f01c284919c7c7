/**
 * ReplicaSets: as many pods as wanted, chosen by label. A pod whose labels no longer match is let go and lives on; one
 * without an owner whose labels match is taken in. That is what a surge is built on.
 */
import { matchesSelector } from '../../../cluster/scheduling.ts';
import { controllerOf, isFinished, isPodReady, type PodObject, type WorkloadObject } from '../objects.ts';
import { kinds } from '../kinds.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';
import { countReady, createPod, deletePod, isLeaving, ownerReferenceTo, ownersOf } from './pods-of-workloads.ts';

export class ReplicaSetController implements Controller {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.reactionMs, (key) => this.#reconcile(key));
  }

  onChange({ kind, type, object, previous }: Change): void {
    if (kind === kinds.replicaSets && type !== 'DELETED') this.#dirty.add(keyOf(object));
    if (kind !== kinds.pods) return;
    for (const key of ownersOf('ReplicaSet', object, previous)) this.#dirty.add(key);
    // A pod that nobody controls may be taken in by any ReplicaSet whose selector it comes to match.
    if (type !== 'DELETED' && !controllerOf(object) && object.metadata.labels !== previous?.metadata.labels) {
      for (const replicaSet of this.#context.store.inNamespace(kinds.replicaSets, object.metadata.namespace ?? '')) {
        if (selects(replicaSet, object as PodObject)) this.#dirty.add(keyOf(replicaSet));
      }
    }
  }

  #reconcile(key: string): void {
    const { store, pods } = this.#context;
    const [namespace, name] = splitKey(key);
    const replicaSet = store.get(kinds.replicaSets, namespace, name);
    if (!replicaSet || isLeaving(replicaSet)) return;
    for (const pod of pods.ownedBy(replicaSet.metadata.uid).values()) {
      if (!selects(replicaSet, pod)) this.#release(pod, replicaSet.metadata.uid);
    }
    for (const pod of pods.orphansIn(namespace).values()) {
      if (!isLeaving(pod) && selects(replicaSet, pod)) this.#adopt(pod, replicaSet);
    }
    const active = [...pods.ownedBy(replicaSet.metadata.uid).values()].filter(
      (pod) => !isLeaving(pod) && !isFinished(pod),
    );
    const missing = (replicaSet.spec.replicas ?? 1) - active.length;
    for (let made = 0; made < missing; made += 1) {
      createPod(this.#context, { owner: replicaSet, template: replicaSet.spec.template });
    }
    if (missing < 0) {
      for (const pod of active.sort(byDispensability).slice(0, -missing)) deletePod(this.#context, pod);
    }
    this.#writeStatus(replicaSet);
  }

  #release(pod: PodObject, uid: string): void {
    const ownerReferences = (pod.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
    const { ownerReferences: _before, ...metadata } = pod.metadata;
    const left = ownerReferences.length > 0 ? { ...metadata, ownerReferences } : metadata;
    this.#context.store.replace(kinds.pods, pod, { ...pod, metadata: left });
  }

  #adopt(pod: PodObject, replicaSet: WorkloadObject): void {
    const ownerReferences = [...(pod.metadata.ownerReferences ?? []), ownerReferenceTo(replicaSet)];
    this.#context.store.replace(kinds.pods, pod, { ...pod, metadata: { ...pod.metadata, ownerReferences } });
  }

  #writeStatus({ metadata }: WorkloadObject): void {
    const { store, registry, pods } = this.#context;
    const replicaSet = store.get(kinds.replicaSets, metadata.namespace, metadata.name);
    if (!replicaSet) return;
    const active = [...pods.ownedBy(metadata.uid).values()].filter((pod) => !isLeaving(pod) && !isFinished(pod));
    const ready = countReady(active);
    registry.setStatus(kinds.replicaSets, replicaSet, {
      replicas: active.length,
      fullyLabeledReplicas: active.length,
      readyReplicas: ready,
      availableReplicas: ready,
      observedGeneration: metadata.generation ?? 0,
    });
  }
}

function selects({ spec }: WorkloadObject, pod: PodObject): boolean {
  return matchesSelector(spec.selector, pod.metadata.labels ?? {});
}

function rankOf(pod: PodObject): number {
  if (pod.spec.nodeName === undefined) return 0;
  return isPodReady(pod) ? 2 : 1;
}

/** Which pod goes first when there are too many: unplaced, then not ready, then the youngest. */
function byDispensability(a: PodObject, b: PodObject): number {
  if (rankOf(a) !== rankOf(b)) return rankOf(a) - rankOf(b);
  if (a.metadata.creationTimestamp !== b.metadata.creationTimestamp) {
    return a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1;
  }
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
