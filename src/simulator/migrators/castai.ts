/**
 * Cast AI's live migration as far as it is known from outside: states Pending, WaitingForCapacity, Running, Ready,
 * PodCreated, Completed and Failed of `live.cast.ai/v1` Migrations, and its labels.
 *
 * Sources: the enum of `rebalancemigrationplans` in castai/helm-charts, docs.cast.ai/docs/clm-*, public controllers that
 * drive it (failures SubnetMismatch and PodSchedulingFailed; a Migration without capacity stays in WaitingForCapacity).
 */
import { textAt } from '../../cluster/json.ts';
import { defineKind, kinds } from '../kubernetes/kinds.ts';
import { isPodReady, type ApiObject } from '../kubernetes/objects.ts';
import { hasRoomOn, keepsItsName, Migrator, type MigratorOptions, type MigratorWorld } from './migrator.ts';

const migrations = defineKind({
  group: 'live.cast.ai',
  resource: 'migrations',
  kind: 'Migration',
  hasStatus: true,
  hasGeneration: true,
  isCustom: true,
});

export class SimulatedCastAi extends Migrator {
  constructor(world: MigratorWorld, options: MigratorOptions = {}) {
    super(world, migrations, options);
    const { store } = world.api;
    for (const node of store.list(kinds.nodes)) {
      const labels = {
        ...node.metadata.labels,
        'live.cast.ai/migration-enabled': 'true',
        'topology.cast.ai/subnet-id': 's1',
      };
      store.replace(kinds.nodes, node, { ...node, metadata: { ...node.metadata, labels } });
    }
  }

  nodesPastCommit(): string[] {
    return this.all()
      .filter(({ status }) => ['Ready', 'PodCreated'].includes(textAt(status, 'state')))
      .map(({ status }) => textAt(status, 'source'));
  }

  protected step(migration: ApiObject): void {
    const fault = this.faultOf(textAt(migration.spec, 'podName'));
    const target = textAt(migration.spec, 'destination');
    const pod = this.pod(migration.metadata.namespace, textAt(migration.spec, 'podName'));
    switch (textAt(migration.status, 'state')) {
      case '':
        return this.#enter(migration, 'Pending', {});
      case 'Pending':
        if (fault === 'staysPending') return;
        if (fault === 'refuses') return this.#enter(migration, 'Failed', { message: 'SubnetMismatch' });
        return this.#enter(migration, 'WaitingForCapacity', {});
      case 'WaitingForCapacity':
        if (fault === 'targetUnschedulable' || !hasRoomOn(this.api, target)) return;
        return this.#enter(migration, 'Running', { source: pod?.spec.nodeName ?? '' }, this.copyMs);
      case 'Running':
        if (fault === 'copyStalls') return;
        if (fault === 'copyFails' || !pod) return this.#enter(migration, 'Failed', { message: 'dump failed' });
        this.memories.freeze(pod.metadata.uid);
        this.committed += 1;
        return this.#enter(migration, 'Ready', {});
      case 'Ready': {
        if (!pod) return this.#enter(migration, 'Failed', { message: 'the pod is gone' });
        this.removePod(pod);
        if (fault === 'failsAfterCommit') return this.#enter(migration, 'Failed', { message: 'PodSchedulingFailed' });
        const name = keepsItsName(pod) ? pod.metadata.name : `${pod.metadata.name}-clone`;
        const clone = this.clonePod(pod, target, name);
        if (!clone) return this.#enter(migration, 'Failed', { message: 'PodSchedulingFailed' });
        this.memories.handOver(pod.metadata.uid, clone.metadata.uid);
        return this.#enter(migration, 'PodCreated', { clone: clone.metadata.name });
      }
      case 'PodCreated': {
        const clone = this.pod(migration.metadata.namespace, textAt(migration.status, 'clone'));
        if (!clone || !isPodReady(clone)) return this.soon(migration);
        return this.#enter(migration, 'Completed', {});
      }
    }
  }

  #enter(migration: ApiObject, state: string, change: Record<string, unknown>, nextMs?: number): void {
    this.soon(this.setStatus(migration, { ...change, state }), nextMs);
  }
}
