/**
 * KubeVirt's objects, read with care: machines, their migrations, and the cluster's configuration.
 *
 * Sources: kubevirt/kubevirt staging/src/kubevirt.io/api/core/v1/types.go (fields, phases, reasons),
 * pkg/virt-config/virt-config.go (defaults), pkg/virt-controller/watch/migration/migration.go (what each phase means).
 */
import { flagAt, numberAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import type { ObjectKind } from '../../ports/objects.ts';
import { partsOf, recordsAt } from '../source.ts';

const v1 = { group: 'kubevirt.io', version: 'v1' } as const;
export const machineKind: ObjectKind = { ...v1, resource: 'virtualmachineinstances' };
export const machineMigrations: ObjectKind = { ...v1, resource: 'virtualmachineinstancemigrations' };
export const kubevirts: ObjectKind = { ...v1, resource: 'kubevirts' };

type EvictionStrategy = 'None' | 'LiveMigrate' | 'LiveMigrateIfPossible' | 'External';

export interface Machine {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly node: string;
  /** Empty: what the cluster says holds. */
  readonly strategy: string;
  /** Reason and message where it cannot be moved alive; empty where it can. */
  readonly obstacle: string;
  /** A pod network behind masquerade gets the new pod's address, so connections from outside of the machine break. */
  readonly losesAddress: boolean;
}

export function parseMachine(object: JsonRecord): Machine {
  const { name, uid, spec, status } = partsOf(object);
  const migratable = recordsAt(status, 'conditions').find((found) => textAt(found, 'type') === 'LiveMigratable');
  const isMigratable = textAt(migratable, 'status') === 'True';
  const reason = [textAt(migratable, 'reason'), textAt(migratable, 'message')].filter((text) => text !== '');
  const podNetworks = recordsAt(spec, 'networks')
    .filter((network) => network['pod'] !== undefined)
    .map((network) => textAt(network, 'name'));
  const interfaces = recordsAt(recordAt(recordAt(spec, 'domain'), 'devices'), 'interfaces');
  const onPodNetwork = interfaces.filter((found) => podNetworks.includes(textAt(found, 'name')));
  return {
    namespace: textAt(recordAt(object, 'metadata'), 'namespace'),
    name,
    uid,
    phase: textAt(status, 'phase'),
    node: textAt(status, 'nodeName'),
    strategy: textAt(spec, 'evictionStrategy'),
    obstacle: isMigratable ? '' : reason.join(': ') || 'KubeVirt has not said that it is live-migratable',
    losesAddress: onPodNetwork.some((found) => found['bridge'] === undefined),
  };
}

export interface MachineMigration {
  readonly name: string;
  readonly uid: string;
  readonly machine: string;
  readonly phase: string;
  readonly isBeingRemoved: boolean;
  /** The target pod would exceed a quota; it waits until there is room. */
  readonly lacksQuota: boolean;
  readonly targetPod: string;
  readonly mode: string;
  readonly failureReason: string;
}

export function parseMigration(object: JsonRecord): MachineMigration {
  const { name, uid, isBeingRemoved, spec, status } = partsOf(object);
  const state = recordAt(status, 'migrationState');
  return {
    name,
    uid,
    isBeingRemoved,
    machine: textAt(spec, 'vmiName'),
    phase: textAt(status, 'phase'),
    lacksQuota: recordsAt(status, 'conditions').some(
      (found) => textAt(found, 'type') === 'migrationRejectedByResourceQuota' && textAt(found, 'status') === 'True',
    ),
    targetPod: textAt(state, 'targetPod'),
    mode: textAt(state, 'mode'),
    failureReason: textAt(state, 'failureReason'),
  };
}

/** `migrationState` of the machine itself, which is ahead of that of the migration. */
export function stateOfMachine(object: JsonRecord | undefined): {
  readonly migrationUid: string;
  readonly sourcePod: string;
  readonly targetPod: string;
  readonly mode: string;
  readonly failureReason: string;
  readonly isCompleted: boolean;
} {
  const state = recordAt(recordAt(object, 'status'), 'migrationState');
  return {
    migrationUid: textAt(state, 'migrationUid'),
    sourcePod: textAt(state, 'sourcePod'),
    targetPod: textAt(state, 'targetPod'),
    mode: textAt(state, 'mode'),
    failureReason: textAt(state, 'failureReason'),
    isCompleted: flagAt(state, 'completed'),
  };
}

export interface KubeVirtSettings {
  readonly version: string;
  readonly strategy: EvictionStrategy;
  readonly perCluster: number;
  readonly perNode: number;
  readonly secondsPerGibibyte: number;
}

const strategies: readonly EvictionStrategy[] = ['None', 'LiveMigrate', 'LiveMigrateIfPossible', 'External'];

export function parseSettings(object: JsonRecord | undefined): KubeVirtSettings {
  const configuration = recordAt(recordAt(object, 'spec'), 'configuration');
  const migrations = recordAt(configuration, 'migrations');
  return {
    version: textAt(recordAt(object, 'status'), 'observedKubeVirtVersion'),
    strategy: strategyOf(textAt(configuration, 'evictionStrategy'), 'None'),
    perCluster: numberAt(migrations, 'parallelMigrationsPerCluster', 5),
    perNode: numberAt(migrations, 'parallelOutboundMigrationsPerNode', 2),
    secondsPerGibibyte: numberAt(migrations, 'completionTimeoutPerGiB', 150),
  };
}

export function strategyOf(text: string, otherwise: EvictionStrategy): EvictionStrategy {
  return strategies.find((strategy) => strategy === text) ?? otherwise;
}
