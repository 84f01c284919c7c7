/**
 * Virtual machines, by KubeVirt's own live migration: one `VirtualMachineInstanceMigration` per move, named after the order.
 *
 * The machine's eviction strategy is its owner's word: `None` means a restart and is left to the other ways, `External` means
 * that somebody else moves it. Taking a migration back is removing its object; once the machine runs on both sides
 * (post-copy) there is no way back.
 */
import type { JsonRecord } from '../../cluster/json.ts';
import { podKey, type PodView } from '../../cluster/pod.ts';
import { MaintenanceError, unreachable } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Cluster, ClusterView } from '../../ports/cluster.ts';
import type {
  Assessment,
  CancelAnswer,
  Detection,
  MoveContext,
  MoveOrder,
  MoveProgress,
  PodMover,
} from '../../ports/movers.ts';
import type { ApiObjects } from '../../ports/objects.ts';
import { Recent } from '../recent.ts';
import { unlessForbidden } from '../rights.ts';
import { findOwn, whyNotServed, whyUnknown, type Missing } from '../served.ts';
import { copyTimeoutMs, predictedCopyMs } from '../sizes.ts';
import { lookForArrival, sourceState, type SourceState } from '../source.ts';
import {
  kubevirts,
  machineKind,
  machineMigrations,
  parseMachine,
  parseMigration,
  parseSettings,
  stateOfMachine,
  strategyOf,
  type KubeVirtSettings,
  type Machine,
  type MachineMigration,
} from './api.ts';

const settingsMaxAgeMs = 60_000;
const machinesMaxAgeMs = 5_000;
const hostnameLabel = 'kubernetes.io/hostname';

interface Tools {
  readonly cluster: Cluster;
  readonly objects: ApiObjects;
  readonly clock: Clock;
}

/** By `namespace/name`. */
type Machines = ReadonlyMap<string, Machine>;

export class KubeVirtMover implements PodMover {
  readonly name = 'kubevirt';
  readonly #tools: Tools;
  readonly #settings: Recent<KubeVirtSettings | Missing>;
  readonly #machines: Recent<Machines>;

  constructor(tools: Tools) {
    this.#tools = tools;
    const { clock, objects } = tools;
    this.#settings = new Recent(clock, settingsMaxAgeMs, async (signal) => {
      const missing = await whyNotServed(objects, machineMigrations, signal);
      return missing ?? parseSettings((await objects.list(kubevirts, {}, signal))[0]);
    });
    this.#machines = new Recent(clock, machinesMaxAgeMs, async (signal) => {
      const machines = (await objects.list(machineKind, {}, signal)).map(parseMachine);
      return new Map(machines.map((machine) => [podKey(machine), machine]));
    });
  }

  detect(signal: AbortSignal): Promise<Detection> {
    return unlessForbidden(() => this.#detect(signal));
  }

  async #detect(signal: AbortSignal): Promise<Detection> {
    const settings = await this.#settings.get(signal);
    if ('because' in settings) return settings;
    const { size } = await this.#machines.get(signal);
    const { version, perNode, perCluster } = settings;
    const text = `${version}, ${size} machines, at once ${perNode} per server and ${perCluster} in all`;
    return { kind: 'ready', text, atOnce: { perServer: perNode, perCluster } };
  }

  assess(pod: PodView): Assessment {
    if (pod.owner?.kind !== 'VirtualMachineInstance') return { kind: 'other' };
    const machine = this.#machines.last?.get(`${pod.namespace}/${pod.owner.name}`);
    const settings = this.#settings.last;
    if (!machine || !settings || 'because' in settings)
      return { kind: 'unable', blockers: ['KubeVirt does not know this machine'] };
    const blockers: string[] = [];
    const strategy = strategyOf(machine.strategy, settings.strategy);
    if (strategy === 'None') blockers.push('its eviction strategy is None: it is restarted');
    if (strategy === 'External') blockers.push('its eviction strategy is External: somebody else moves it');
    if (machine.obstacle !== '') blockers.push(`not live-migratable (${machine.obstacle})`);
    if (blockers.length > 0) return { kind: 'unable', blockers };
    const { memoryBytes } = pod.requests;
    return {
      kind: 'able',
      promise: machine.losesAddress ? 'memory' : 'everything',
      predictedMs: predictedCopyMs(memoryBytes),
      timeoutMs: copyTimeoutMs(memoryBytes, settings.secondsPerGibibyte),
    };
  }

  async advance(order: MoveOrder, { view, signal }: MoveContext): Promise<MoveProgress> {
    const source = await sourceState(this.#tools.cluster, order.pod, signal);
    const own = await this.#own(order, signal);
    if (own) return this.#follow(order, own, source, signal);
    if (source !== 'running') return this.#withoutMigration(order, source, signal);
    const name = await this.#machineOf(order, signal);
    if (name === undefined) return { kind: 'failed', because: `${podKey(order.pod)} belongs to no virtual machine` };
    const other = await this.#otherMigration(order, name, signal);
    if (other) {
      return { kind: 'queued', waitingFor: `migration ${other.name}, which somebody else has begun (${other.phase})` };
    }
    if (order.hasBegun) return { kind: 'rolledBack', because: 'its migration was taken away' };
    return this.#begin(order, view, name, signal);
  }

  async cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const source = await sourceState(this.#tools.cluster, order.pod, signal);
    const own = await this.#own(order, signal);
    if (!own) return source === 'running' ? { kind: 'cancelled' } : { kind: 'committed' };
    if (own.phase === 'Failed') return source === 'running' ? { kind: 'cancelled' } : { kind: 'committed' };
    if (own.phase === 'Succeeded' || (await this.#isCommitted(order, own, signal))) return { kind: 'committed' };
    const place = { namespace: order.pod.namespace, name: own.name };
    const answer = await this.#tools.objects.remove(machineMigrations, place, own.uid, signal);
    // KubeVirt keeps the object until it has ended, and it may end well.
    return answer === 'gone' && source === 'running' ? { kind: 'cancelled' } : { kind: 'cancelling' };
  }

  async #own(order: MoveOrder, signal: AbortSignal): Promise<MachineMigration | undefined> {
    const found = await findOwn(this.#tools, machineMigrations, order, signal);
    return found && parseMigration(found);
  }

  async #machineOf(order: MoveOrder, signal: AbortSignal): Promise<string | undefined> {
    const pod = await this.#tools.cluster.readPod(order.pod, signal);
    return pod?.owner?.kind === 'VirtualMachineInstance' ? pod.owner.name : undefined;
  }

  /** KubeVirt refuses a second migration of one machine; an eviction or a person may have begun one. */
  async #otherMigration(order: MoveOrder, machine: string, signal: AbortSignal): Promise<MachineMigration | undefined> {
    const { namespace } = order.pod;
    const all = await this.#tools.objects.list(machineMigrations, { namespace }, signal);
    return all
      .map(parseMigration)
      .find((migration) => migration.machine === machine && !isOver(migration.phase) && migration.name !== order.id);
  }

  async #begin(order: MoveOrder, view: ClusterView, vmiName: string, signal: AbortSignal): Promise<MoveProgress> {
    const target = view.nodes.find((node) => node.name === order.target);
    const hostname = target?.labels[hostnameLabel] ?? order.target;
    const body: JsonRecord = {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachineInstanceMigration',
      metadata: { name: order.id, labels: { 'app.kubernetes.io/created-by': 'pitcrew' } },
      spec: { vmiName, addedNodeSelector: { [hostnameLabel]: hostname } },
    };
    try {
      await this.#tools.objects.create(machineMigrations, order.pod.namespace, body, signal);
    } catch (error) {
      // The admission webhook names what is in the way: not migratable, another migration in flight.
      if (!(error instanceof MaintenanceError) || error.code !== 'cluster/refused') throw error;
      return { kind: 'failed', because: error.message };
    }
    return { kind: 'queued', waitingFor: 'KubeVirt, which has been asked' };
  }

  async #follow(
    order: MoveOrder,
    migration: MachineMigration,
    source: SourceState,
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    const { phase } = migration;
    switch (phase) {
      case '':
      case 'Pending':
        return { kind: 'queued', waitingFor: migration.lacksQuota ? 'room in a resource quota' : 'a turn at KubeVirt' };
      case 'Scheduling':
        return { kind: 'queued', waitingFor: `the machine's new pod, which has to get a place on ${order.target}` };
      case 'Scheduled':
      case 'PreparingTarget':
      case 'TargetReady':
        return { kind: 'copying', note: 'preparing the target' };
      case 'Running': {
        const isCommitted = await this.#isCommitted(order, migration, signal);
        const note = migration.isBeingRemoved ? 'KubeVirt takes it back' : 'copying memory';
        return isCommitted
          ? { kind: 'cutover', note: 'the machine changes over', isCommitted }
          : { kind: 'copying', note };
      }
      case 'Succeeded':
        return this.#prove(order, migration, signal);
      case 'Failed':
        return this.#afterFailure(order, migration, source, signal);
      default:
        return { kind: 'queued', waitingFor: `KubeVirt is in phase ${phase}, which is not known here` };
    }
  }

  async #readMachine(order: MoveOrder, machine: string, signal: AbortSignal): Promise<JsonRecord | undefined> {
    const place = { namespace: order.pod.namespace, name: machine };
    return this.#tools.objects.get(machineKind, place, signal);
  }

  /** In post-copy the machine runs on the target with part of its memory still at the source: neither side can be lost. */
  async #isCommitted(order: MoveOrder, migration: MachineMigration, signal: AbortSignal): Promise<boolean> {
    const state = stateOfMachine(await this.#readMachine(order, migration.machine, signal));
    if (state.migrationUid !== migration.uid) return migration.mode === 'PostCopy';
    return state.mode === 'PostCopy' || state.isCompleted;
  }

  async #prove(order: MoveOrder, migration: MachineMigration, signal: AbortSignal): Promise<MoveProgress> {
    const found = await this.#readMachine(order, migration.machine, signal);
    if (!found) return restarted('the machine is gone after its migration');
    const name = migration.targetPod || stateOfMachine(found).targetPod;
    const arrival = await lookForArrival(this.#tools.cluster, order, { name }, signal);
    switch (arrival.kind) {
      case 'waiting':
        return { kind: 'cutover', note: arrival.note, isCommitted: true };
      case 'lost':
        return restarted(arrival.because);
      case 'arrived': {
        const { uid, node } = arrival;
        const kept = parseMachine(found).losesAddress ? 'memory' : 'everything';
        return { kind: 'done', evidence: { kept, uid, node } };
      }
      default:
        return unreachable(arrival);
    }
  }

  async #afterFailure(
    order: MoveOrder,
    migration: MachineMigration,
    source: SourceState,
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    const state = stateOfMachine(await this.#readMachine(order, migration.machine, signal));
    const said = migration.failureReason || (state.migrationUid === migration.uid ? state.failureReason : '');
    const because = `KubeVirt: ${said || 'the migration failed'}`;
    if (source === 'running') return { kind: 'rolledBack', because };
    if (source === 'leaving') return { kind: 'cutover', note: because, isCommitted: true };
    return restarted(because);
  }

  /** It left without a migration of ours: moved by somebody else, or stopped. The machine itself knows. */
  async #withoutMigration(order: MoveOrder, source: SourceState, signal: AbortSignal): Promise<MoveProgress> {
    if (source === 'leaving') return { kind: 'cutover', note: 'shutting down', isCommitted: true };
    const machines = await this.#tools.objects.list(machineKind, { namespace: order.pod.namespace }, signal);
    const moved = machines.find((machine) => {
      const state = stateOfMachine(machine);
      return state.isCompleted && state.sourcePod === order.pod.name;
    });
    if (!moved) return restarted(whyUnknown(order, 'KubeVirt'));
    const machine = parseMachine(moved);
    const kept = machine.losesAddress ? 'memory' : 'everything';
    const because = order.hasBegun ? undefined : 'somebody else has migrated it';
    return { kind: 'done', evidence: { kept, node: machine.node }, because };
  }
}

function isOver(phase: string): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

function restarted(because: string): MoveProgress {
  return { kind: 'done', evidence: { kept: 'nothing: restart' }, because };
}
