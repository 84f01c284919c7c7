/**
 * Deployments: one ReplicaSet per template, scaled with the Deployment. A changed template is rolled out at once, not
 * step by step: rollouts are not what this world is for.
 */
import { templateHashLabel } from '../../../cluster/released.ts';
import { isEqual } from '../equal.ts';
import { controllerOf, type WorkloadObject } from '../objects.ts';
import { kinds } from '../kinds.ts';
import { Refusal } from '../refusal.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';
import { isLeaving, ownerReferenceTo, ownersOf, templateHash } from './pods-of-workloads.ts';

export class DeploymentController implements Controller {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.reactionMs, (key) => this.#reconcile(key));
  }

  onChange({ kind, type, object, previous }: Change): void {
    if (kind === kinds.deployments && type !== 'DELETED') this.#dirty.add(keyOf(object));
    if (kind === kinds.replicaSets) for (const key of ownersOf('Deployment', object, previous)) this.#dirty.add(key);
  }

  #reconcile(key: string): void {
    const { store, registry } = this.#context;
    const [namespace, name] = splitKey(key);
    const deployment = store.get(kinds.deployments, namespace, name);
    if (!deployment || isLeaving(deployment)) return;
    const hash = templateHash(deployment.spec.template);
    const owned = store
      .inNamespace(kinds.replicaSets, namespace)
      .filter((replicaSet) => controllerOf(replicaSet)?.uid === deployment.metadata.uid);
    const current = owned.find(
      (replicaSet) => replicaSet.metadata.name === `${name}-${hash}` || isOfTemplate(replicaSet, deployment),
    );
    if (!current) this.#createReplicaSet(deployment, hash);
    for (const replicaSet of owned) {
      const replicas = replicaSet === current ? (deployment.spec.replicas ?? 1) : 0;
      if (replicaSet.spec.replicas === replicas) continue;
      registry.update(kinds.replicaSets, replicaSet, { ...replicaSet, spec: { ...replicaSet.spec, replicas } });
    }
    this.#writeStatus(namespace, name, owned);
  }

  #createReplicaSet(deployment: WorkloadObject, hash: string): void {
    const { template, selector, replicas } = deployment.spec;
    const labels = { ...template.metadata?.labels, 'pod-template-hash': hash };
    const { name, namespace = '' } = deployment.metadata;
    try {
      this.#context.registry.create(kinds.replicaSets, namespace, {
        metadata: { name: `${name}-${hash}`, labels, ownerReferences: [ownerReferenceTo(deployment)] },
        spec: {
          replicas,
          selector: { ...selector, matchLabels: { ...selector.matchLabels, 'pod-template-hash': hash } },
          template: { ...template, metadata: { ...template.metadata, labels } },
        },
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  #writeStatus(namespace: string, name: string, owned: readonly WorkloadObject[]): void {
    const { store, registry } = this.#context;
    const deployment = store.get(kinds.deployments, namespace, name);
    if (!deployment) return;
    const sum = (field: string): number =>
      owned.reduce((total, { status }) => total + (typeof status[field] === 'number' ? status[field] : 0), 0);
    const wanted = deployment.spec.replicas ?? 1;
    const ready = sum('readyReplicas');
    const status = {
      observedGeneration: deployment.metadata.generation ?? 0,
      replicas: sum('replicas'),
      updatedReplicas: sum('replicas'),
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: Math.max(0, wanted - ready),
    };
    if (!isEqual(deployment.status, status)) registry.setStatus(kinds.deployments, deployment, status);
  }
}

/** By content, because the hash in a name is the business of whoever made it (deployment/util `FindNewReplicaSet`). */
function isOfTemplate(replicaSet: WorkloadObject, deployment: WorkloadObject): boolean {
  const [own, wanted] = [replicaSet.spec.template, deployment.spec.template];
  const { [templateHashLabel]: _hash, ...labels } = own.metadata?.labels ?? {};
  return isEqual(own.spec, wanted.spec) && isEqual(labels, wanted.metadata?.labels ?? {});
}
