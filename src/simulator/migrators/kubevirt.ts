/**
 * KubeVirt's part in a live migration: phases Pending, Scheduling, Scheduled, PreparingTarget, TargetReady, Running,
 * Succeeded and Failed; the eviction admitter; the admitter of migrations; limits per node and cluster.
 *
 * Sources: kubevirt/kubevirt pkg/virt-controller/watch/migration/migration.go (phases, cancelling before and after the hand
 * over), pkg/virt-api/webhooks/validating-webhook/admitters/pod-eviction-admitter.go and migration-create-admitter.go.
 */
import { recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import { defineKind, kinds } from '../kubernetes/kinds.ts';
import { controllerOf, isPodReady, type ApiObject, type PodObject } from '../kubernetes/objects.ts';
import { Refusal } from '../kubernetes/refusal.ts';
import { Migrator, type MigratorOptions, type MigratorWorld } from './migrator.ts';

const custom = { group: 'kubevirt.io', hasStatus: true, hasGeneration: true, isCustom: true } as const;
const machineKind = defineKind({
  ...custom,
  resource: 'virtualmachineinstances',
  kind: 'VirtualMachineInstance',
  shortNames: ['vmi'],
});
const migrationKind = defineKind({
  ...custom,
  resource: 'virtualmachineinstancemigrations',
  kind: 'VirtualMachineInstanceMigration',
  shortNames: ['vmim'],
});
const kubevirtKind = defineKind({ ...custom, resource: 'kubevirts', kind: 'KubeVirt', shortNames: ['kv'] });
const finalizer = 'kubevirt.io/migrationJobFinalize';
const limits = { parallelOutboundMigrationsPerNode: 2, parallelMigrationsPerCluster: 5 };

export interface SimulatedMachine {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly memory?: string;
  readonly strategy?: 'None' | 'LiveMigrate' | 'LiveMigrateIfPossible' | 'External';
  /** Reason of `LiveMigratable: False`, e.g. `DisksNotLiveMigratable`. */
  readonly obstacle?: string;
  readonly binding?: 'masquerade' | 'bridge';
}

export class SimulatedKubeVirt extends Migrator {
  readonly #isPostCopy: boolean;

  constructor(world: MigratorWorld, options: MigratorOptions & { readonly allowPostCopy?: boolean } = {}) {
    super(world, migrationKind, options);
    this.#isPostCopy = options.allowPostCopy === true;
    const { registry, evictions, kinds: table, store } = world.api;
    table.add(machineKind);
    table.add(kubevirtKind);
    if (!store.get(kinds.namespaces, undefined, 'kubevirt')) {
      registry.create(kinds.namespaces, '', { metadata: { name: 'kubevirt' } });
    }
    const settings = registry.create(kubevirtKind, 'kubevirt', {
      metadata: { name: 'kubevirt' },
      spec: { configuration: { migrations: limits } },
    });
    registry.setStatus(kubevirtKind, settings, { observedKubeVirtVersion: 'v1.9.0' });
    registry.admitters.push((kind, draft) => {
      if (kind === migrationKind) this.#admit(textAt(draft.metadata, 'namespace'), textAt(draft.spec, 'vmiName'));
      return draft;
    });
    evictions.webhooks.push((pod, isDryRun) => this.#onEviction(pod, isDryRun));
  }

  addMachine(machine: SimulatedMachine): PodObject {
    const { registry, store } = this.api;
    const { namespace, name, node } = machine;
    if (!store.get(kinds.namespaces, undefined, namespace)) {
      registry.create(kinds.namespaces, '', { metadata: { name: namespace } });
    }
    const binding = { name: 'default', [machine.binding ?? 'bridge']: {} };
    const made = registry.create(machineKind, namespace, {
      metadata: { name },
      spec: {
        ...(machine.strategy && { evictionStrategy: machine.strategy }),
        domain: { devices: { interfaces: [binding] }, memory: { guest: machine.memory ?? '1Gi' } },
        networks: [{ name: 'default', pod: {} }],
      },
    });
    const pod = this.#launcher(made, node, machine.memory ?? '1Gi', {});
    const migratable =
      machine.obstacle === undefined
        ? { type: 'LiveMigratable', status: 'True' }
        : { type: 'LiveMigratable', status: 'False', reason: machine.obstacle, message: 'as the simulation says' };
    registry.setStatus(machineKind, made, { phase: 'Running', nodeName: node, conditions: [migratable] });
    return pod;
  }

  nodesPastCommit(): string[] {
    return this.api.store
      .list(machineKind)
      .map(({ status }) => recordAt(status, 'migrationState'))
      .filter((state) => state['mode'] === 'PostCopy' && state['completed'] !== true)
      .map((state) => textAt(state, 'sourceNode'));
  }

  machine(namespace: string | undefined, name: string): ApiObject | undefined {
    return this.api.store.get(machineKind, namespace, name);
  }

  #launcher(machine: ApiObject, node: string | undefined, memory: string, labels: Record<string, string>): PodObject {
    const { name, namespace = '', uid } = machine.metadata;
    const owner = { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', name, uid, controller: true };
    return this.api.registry.create(kinds.pods, namespace, {
      metadata: {
        generateName: `virt-launcher-${name}-`,
        labels: { 'kubevirt.io': 'virt-launcher', 'kubevirt.io/created-by': uid, ...labels },
        annotations: { 'kubevirt.io/domain': name },
        ownerReferences: [owner],
      },
      spec: {
        containers: [{ name: 'compute', image: 'registry.local/virt-launcher:1', resources: { requests: { memory } } }],
        volumes: [{ name: 'private', emptyDir: {} }],
        ...(node !== undefined && { nodeName: node }),
      },
    });
  }

  /** migration-create-admitter.go: only machines that can, and one migration at a time. */
  #admit(namespace: string, name: string): void {
    const machine = this.machine(namespace, name);
    if (!machine) throw denied(`the VMI "${namespace}/${name}" does not exist`);
    const obstacle = obstacleOf(machine);
    if (obstacle)
      throw denied(
        `Cannot migrate VMI, Reason: ${textAt(obstacle, 'reason')}, Message: ${textAt(obstacle, 'message')}`,
      );
    if (this.faultOf(name) === 'refuses') throw denied('Cannot migrate VMI in finalized state.');
    const isBusy = this.all().some(
      (migration) =>
        migration.metadata.namespace === namespace &&
        textAt(migration.spec, 'vmiName') === name &&
        !isOver(textAt(migration.status, 'phase')),
    );
    if (isBusy) throw denied('in-flight migration detected. Active migration job is already running.');
  }

  protected step(migration: ApiObject): void {
    const machine = this.machine(migration.metadata.namespace, textAt(migration.spec, 'vmiName'));
    const phase = textAt(migration.status, 'phase');
    if (isOver(phase)) return this.setFinalizers(migration, []);
    if (!machine) return this.#fail(migration, undefined, 'vmi does not exist');
    const isLeaving = migration.metadata.deletionTimestamp !== undefined;
    const state = this.#stateOf(machine, migration);
    // Once the machine runs on both sides a cancel comes too late; before, it is honoured.
    if (isLeaving && state['mode'] !== 'PostCopy') return this.#fail(migration, machine, 'migration was cancelled');
    const fault = this.faultOf(machine.metadata.name);
    switch (phase) {
      case '':
        this.setFinalizers(migration, [finalizer]);
        return this.#enter(migration, 'Pending');
      case 'Pending':
        if (fault === 'staysPending') return;
        if (!this.#hasRoom(machine)) return this.soon(migration);
        this.#makeTarget(migration, machine);
        return this.#enter(migration, 'Scheduling');
      case 'Scheduling': {
        const target = this.#targetOf(migration);
        if (!target || !isPodReady(target)) return this.soon(migration);
        this.#setMachine(machine, migration, {
          targetPod: target.metadata.name,
          targetNode: target.spec.nodeName ?? '',
        });
        return this.#enter(migration, 'Scheduled');
      }
      case 'Scheduled':
        return this.#enter(migration, 'PreparingTarget');
      case 'PreparingTarget':
        return this.#enter(migration, 'TargetReady');
      case 'TargetReady':
        this.#setMachine(machine, migration, { startTimestamp: this.api.registry.now(), mode: 'PreCopy' });
        return this.#enter(migration, 'Running', this.copyMs);
      default:
        return this.#run(migration, machine, fault);
    }
  }

  #run(migration: ApiObject, machine: ApiObject, fault: string): void {
    if (fault === 'copyStalls') return;
    if (fault === 'copyFails')
      return this.#fail(migration, machine, 'Live migration stuck for 150 seconds and has been aborted');
    const state = this.#stateOf(machine, migration);
    if (this.#isPostCopy && state['mode'] !== 'PostCopy') {
      this.committed += 1;
      this.#setMachine(machine, migration, { mode: 'PostCopy' });
      return this.soon(migration);
    }
    const source = this.pod(machine.metadata.namespace, textAt(state, 'sourcePod'));
    if (fault === 'failsAfterCommit' && source) {
      this.removePod(source);
      return this.#fail(migration, machine, 'the machine was lost in post-copy');
    }
    const target = this.#targetOf(migration);
    if (!target) return this.#fail(migration, machine, 'Target pod is down');
    if (!this.#isPostCopy) this.committed += 1;
    if (source) this.memories.handOver(source.metadata.uid, target.metadata.uid);
    this.#setMachine(machine, migration, { completed: true, endTimestamp: this.api.registry.now() });
    const now = this.machine(machine.metadata.namespace, machine.metadata.name) ?? machine;
    const status = { ...(now.status as JsonRecord), nodeName: target.spec.nodeName ?? '' };
    this.api.registry.setStatus(machineKind, now, status);
    const finished = this.machine(machine.metadata.namespace, machine.metadata.name) ?? now;
    this.setStatus(migration, { migrationState: recordAt(finished.status, 'migrationState') });
    // The old launcher ends by itself, and stays to be seen as completed.
    if (source)
      this.api.registry.setStatus(kinds.pods, source, { ...source.status, phase: 'Succeeded', conditions: [] });
    return this.#enter(migration, 'Succeeded');
  }

  #hasRoom(machine: ApiObject): boolean {
    const active = this.all().filter(({ status }) => {
      const phase = textAt(status, 'phase');
      return phase !== '' && phase !== 'Pending' && !isOver(phase);
    });
    const node = textAt(machine.status, 'nodeName');
    const outbound = active.filter(
      (migration) =>
        textAt(this.machine(migration.metadata.namespace, textAt(migration.spec, 'vmiName'))?.status, 'nodeName') ===
        node,
    );
    const { parallelMigrationsPerCluster, parallelOutboundMigrationsPerNode } = limits;
    return active.length < parallelMigrationsPerCluster && outbound.length < parallelOutboundMigrationsPerNode;
  }

  #makeTarget(migration: ApiObject, machine: ApiObject): void {
    const source = this.#launcherOf(machine);
    const isStuck = this.faultOf(machine.metadata.name) === 'targetUnschedulable';
    const selector = { ...(migration.spec as { addedNodeSelector?: Record<string, string> }).addedNodeSelector };
    const wanted = isStuck ? { 'kubernetes.io/hostname': 'nowhere' } : selector;
    const labels = { 'kubevirt.io/migrationJobUID': migration.metadata.uid };
    const made = this.#launcher(machine, undefined, '1Gi', labels);
    const { store } = this.api;
    store.replace(kinds.pods, made, { ...made, spec: { ...made.spec, nodeSelector: wanted } });
    this.memories.freeze(made.metadata.uid);
    this.#setMachine(machine, migration, {
      migrationUid: migration.metadata.uid,
      sourcePod: source?.metadata.name ?? '',
      sourceNode: textAt(machine.status, 'nodeName'),
      completed: false,
      mode: '',
    });
  }

  #launcherOf(machine: ApiObject): PodObject | undefined {
    const node = textAt(machine.status, 'nodeName');
    return this.api.store
      .inNamespace(kinds.pods, machine.metadata.namespace ?? '')
      .find(
        (pod) =>
          controllerOf(pod)?.uid === machine.metadata.uid &&
          pod.spec.nodeName === node &&
          pod.status.phase !== 'Succeeded',
      );
  }

  #targetOf(migration: ApiObject): PodObject | undefined {
    const uid = migration.metadata.uid;
    return this.api.store
      .inNamespace(kinds.pods, migration.metadata.namespace ?? '')
      .find((pod) => pod.metadata.labels?.['kubevirt.io/migrationJobUID'] === uid);
  }

  #stateOf(machine: ApiObject, migration: ApiObject): JsonRecord {
    const state = recordAt(machine.status, 'migrationState');
    return state['migrationUid'] === migration.metadata.uid ? state : {};
  }

  #setMachine(machine: ApiObject, migration: ApiObject, change: JsonRecord): void {
    const now = this.machine(machine.metadata.namespace, machine.metadata.name) ?? machine;
    const migrationState = { ...this.#stateOf(now, migration), ...change };
    this.api.registry.setStatus(machineKind, now, { ...(now.status as JsonRecord), migrationState });
  }

  #fail(migration: ApiObject, machine: ApiObject | undefined, failureReason: string): void {
    const target = this.#targetOf(migration);
    if (target) this.removePod(target);
    if (machine) this.#setMachine(machine, migration, { completed: true, failed: true, failureReason });
    this.setStatus(migration, { migrationState: { failureReason, failed: true, completed: true } });
    return this.#enter(migration, 'Failed');
  }

  #enter(migration: ApiObject, phase: string, nextMs?: number): void {
    this.soon(this.setStatus(migration, { phase }), nextMs);
  }

  #onEviction(pod: PodObject, isDryRun: boolean): Refusal | undefined {
    if (pod.metadata.labels?.['kubevirt.io'] !== 'virt-launcher') return undefined;
    const machine = this.machine(pod.metadata.namespace, pod.metadata.annotations?.['kubevirt.io/domain'] ?? '');
    if (!machine) return undefined;
    const strategy = textAt(machine.spec, 'evictionStrategy');
    const isMigratable = obstacleOf(machine) === undefined;
    if (strategy === 'LiveMigrate' && !isMigratable) {
      return tooMany(`VMI ${machine.metadata.name} is configured with an eviction strategy but is not live-migratable`);
    }
    const isMarked =
      strategy === 'LiveMigrate' || strategy === 'External' || (strategy === 'LiveMigrateIfPossible' && isMigratable);
    if (!isMarked || textAt(machine.status, 'nodeName') !== pod.spec.nodeName) return undefined;
    const name = `"${machine.metadata.namespace}/${machine.metadata.name}"`;
    const node = textAt(machine.status, 'evacuationNodeName');
    if (node !== '') return tooMany(`Evacuation in progress: Eviction triggered evacuation of VMI ${name}`);
    const status = { ...(machine.status as JsonRecord), evacuationNodeName: pod.spec.nodeName ?? '' };
    if (!isDryRun) this.api.registry.setStatus(machineKind, machine, status);
    return tooMany(`Eviction triggered evacuation of VMI ${name}`);
  }
}

function obstacleOf(machine: ApiObject): JsonRecord | undefined {
  const { conditions = [] } = machine.status as { conditions?: readonly JsonRecord[] };
  return conditions.find((found) => found['type'] === 'LiveMigratable' && found['status'] !== 'True');
}

function isOver(phase: string): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

function denied(text: string): Refusal {
  const webhook = 'migration-create-validator.kubevirt.io';
  return new Refusal(400, 'BadRequest', `admission webhook "${webhook}" denied the request: ${text}`);
}

function tooMany(message: string): Refusal {
  const webhook = 'virt-launcher-eviction-interceptor.kubevirt.io';
  return new Refusal(429, 'TooManyRequests', `admission webhook "${webhook}" denied the request: ${message}`);
}
