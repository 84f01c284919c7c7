/**
 * Plain pods, where Paguro is installed: one `Migration` per move, named after the order.
 *
 * Paguro moves by the pod's name, so the uid is compared before it is asked and after it has begun. From `Frozen` on there
 * is no way back (internal/controller/reconciler.go). A success is believed with the new pod in sight, and may yet have been
 * a cold start: `coldStartReason` says so.
 */
import type { JsonRecord } from '../../cluster/json.ts';
import type { PodView } from '../../cluster/pod.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Cluster, ClusterView } from '../../ports/cluster.ts';
import type {
  Assessment,
  CancelAnswer,
  Detection,
  MoveContext,
  MoveOrder,
  MoveProgress,
  MovePromise,
  PodMover,
} from '../../ports/movers.ts';
import type { ApiObjects } from '../../ports/objects.ts';
import { Recent } from '../recent.ts';
import { unlessForbidden } from '../rights.ts';
import { findOwn, whyNotServed, whyUnknown, type Missing } from '../served.ts';
import { copyTimeoutMs, predictedCopyMs } from '../sizes.ts';
import { lookForArrival, sourceState } from '../source.ts';
import { coreNodes, paguroMigrations, parseMigration, parseNode, type PaguroMigration } from './api.ts';
import { blockersOf, promiseFor, type PaguroNodes } from './eligibility.ts';

const kindsMaxAgeMs = 60_000;
const nodesMaxAgeMs = 10_000;

interface Tools {
  readonly cluster: Cluster;
  readonly objects: ApiObjects;
  readonly clock: Clock;
}

export class PaguroMover implements PodMover {
  readonly name = 'paguro';
  readonly #tools: Tools;
  /** `undefined`: nothing is missing. */
  readonly #missing: Recent<Missing | undefined>;
  readonly #nodes: Recent<PaguroNodes>;

  constructor(tools: Tools) {
    this.#tools = tools;
    const { clock, objects } = tools;
    this.#missing = new Recent(clock, kindsMaxAgeMs, async (signal) => {
      const missing = await whyNotServed(objects, paguroMigrations, signal);
      // Asked for the sake of the right alone: better known now than when the first pod is to move.
      if (!missing) await objects.list(paguroMigrations, {}, signal);
      return missing;
    });
    this.#nodes = new Recent(clock, nodesMaxAgeMs, async (signal) => {
      const nodes = (await objects.list(coreNodes, {}, signal)).map(parseNode);
      return new Map(nodes.map((node) => [node.name, node]));
    });
  }

  detect(signal: AbortSignal): Promise<Detection> {
    return unlessForbidden(() => this.#detect(signal));
  }

  async #detect(signal: AbortSignal): Promise<Detection> {
    const missing = await this.#missing.get(signal);
    if (missing) return missing;
    const nodes = [...(await this.#nodes.get(signal)).values()];
    const agents = nodes.filter(({ endpoint }) => endpoint !== '');
    if (agents.length === 0) return { kind: 'missing', because: 'no node runs a Paguro agent', isWrong: true };
    const releases = [...new Set(agents.map(({ release }) => release))].sort().join(' and ');
    return { kind: 'ready', text: `${releases}, agents on ${agents.length} of ${nodes.length} nodes` };
  }

  assess(pod: PodView, _view: ClusterView, target?: string): Assessment {
    const nodes: PaguroNodes = this.#nodes.last ?? new Map();
    const blockers = blockersOf(pod, nodes, target);
    if (blockers.length > 0) return { kind: 'unable', blockers };
    const { memoryBytes } = pod.requests;
    return {
      kind: 'able',
      promise: promiseFor(pod, nodes, target),
      predictedMs: predictedCopyMs(memoryBytes),
      timeoutMs: copyTimeoutMs(memoryBytes),
    };
  }

  async advance(order: MoveOrder, { signal }: MoveContext): Promise<MoveProgress> {
    const migration = await this.#find(order, signal);
    const source = await sourceState(this.#tools.cluster, order.pod, signal);
    if (migration) return this.#follow(order, migration, source, signal);
    if (source !== 'running') {
      return source === 'leaving'
        ? { kind: 'cutover', note: 'shutting down', isCommitted: true }
        : restarted(whyUnknown(order, 'Paguro'));
    }
    if (order.hasBegun) return { kind: 'rolledBack', because: 'its Migration was taken away' };
    return this.#begin(order, signal);
  }

  async cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const { cluster, objects } = this.#tools;
    const migration = await this.#own(order, signal);
    const source = await sourceState(cluster, order.pod, signal);
    if (!migration) return source === 'running' ? { kind: 'cancelled' } : { kind: 'committed' };
    switch (migration.phase) {
      case 'Frozen':
      case 'CuttingOver':
      case 'Restoring':
      case 'Succeeded':
        return { kind: 'committed' };
      case 'Failed':
      case 'RolledBack':
        if (source !== 'running') return { kind: 'committed' };
        return { kind: migration.isReleased ? 'cancelled' : 'cancelling' };
      default: {
        const place = { namespace: order.pod.namespace, name: migration.name };
        const answer = await objects.remove(paguroMigrations, place, migration.uid, signal);
        // Asked is not done: it may have frozen meanwhile, and then it goes on.
        return answer === 'gone' && source === 'running' ? { kind: 'cancelled' } : { kind: 'cancelling' };
      }
    }
  }

  async #own(order: MoveOrder, signal: AbortSignal): Promise<PaguroMigration | undefined> {
    const found = await findOwn(this.#tools, paguroMigrations, order, signal);
    return found && parseMigration(found);
  }

  /** Ours; or somebody else's that moves this very pod (an eviction may have begun it), which is followed instead. */
  async #find(order: MoveOrder, signal: AbortSignal): Promise<PaguroMigration | undefined> {
    const own = await this.#own(order, signal);
    if (own) return own;
    const { namespace, name, uid } = order.pod;
    const all = await this.#tools.objects.list(paguroMigrations, { namespace }, signal);
    return all.map(parseMigration).find((migration) => {
      if (migration.sourcePodUid === uid) return !isOver(migration.phase) || migration.phase === 'Succeeded';
      return migration.sourcePodUid === '' && migration.podName === name && !isOver(migration.phase);
    });
  }

  async #begin(order: MoveOrder, signal: AbortSignal): Promise<MoveProgress> {
    const timeoutSeconds = Math.ceil(order.timeoutMs / 1_000);
    const body: JsonRecord = {
      apiVersion: 'paguro.dev/v1alpha1',
      kind: 'Migration',
      metadata: { name: order.id, labels: { 'app.kubernetes.io/created-by': 'pitcrew' } },
      spec: { podName: order.pod.name, targetNode: order.target, timeoutSeconds },
    };
    try {
      await this.#tools.objects.create(paguroMigrations, order.pod.namespace, body, signal);
    } catch (error) {
      if (!(error instanceof MaintenanceError) || error.code !== 'cluster/refused') throw error;
      return { kind: 'failed', because: error.message };
    }
    return { kind: 'queued', waitingFor: 'Paguro, which has been asked' };
  }

  async #follow(
    order: MoveOrder,
    migration: PaguroMigration,
    source: 'running' | 'leaving' | 'ended',
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    const { phase, message } = migration;
    if (migration.sourcePodUid !== '' && migration.sourcePodUid !== order.pod.uid) {
      return { kind: 'failed', because: `Paguro took up another pod of the name ${order.pod.name}` };
    }
    switch (phase) {
      case '':
      case 'Pending':
      case 'Preflight':
        return { kind: 'queued', waitingFor: `Paguro: ${message || 'not begun yet'}` };
      case 'PreCopy':
        return copying(migration);
      case 'Aborting':
        return { kind: 'copying', note: `Paguro takes it back: ${message}` };
      case 'Frozen':
      case 'CuttingOver':
      case 'Restoring':
        return { kind: 'cutover', note: message || phase, isCommitted: true };
      case 'RolledBack':
      case 'Failed':
        return afterFailure(migration, source);
      case 'Succeeded':
        return this.#prove(order, migration, signal);
      default:
        return { kind: 'queued', waitingFor: `Paguro is in phase ${phase}, which is not known here` };
    }
  }

  async #prove(order: MoveOrder, migration: PaguroMigration, signal: AbortSignal): Promise<MoveProgress> {
    const arrival = await lookForArrival(this.#tools.cluster, order, migration.targetPod, signal);
    if (arrival.kind === 'waiting') return { kind: 'cutover', note: arrival.note, isCommitted: true };
    if (arrival.kind === 'lost') return restarted(arrival.because);
    const { freezeMs, coldStarts } = migration;
    const because = coldStarts.length > 0 ? `started anew instead of restored (${coldStarts.join('; ')})` : undefined;
    const { uid, node } = arrival;
    return { kind: 'done', evidence: { kept: keptBy(migration), uid, node, freezeMs }, because };
  }
}

function isOver(phase: string): boolean {
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'RolledBack';
}

function copying(migration: PaguroMigration): MoveProgress {
  const { message, wireBytes, totalBytes, bytesPerSecond } = migration;
  return {
    kind: 'copying',
    note: message || 'copying memory',
    ...(totalBytes > 0 && { doneBytes: Math.min(wireBytes, totalBytes), totalBytes }),
    ...(bytesPerSecond > 0 && { bytesPerSecond }),
  };
}

/**
 * A refusal in its preflight is called Failed as well: what counts is whether the source still runs once Paguro has let go of
 * it. Until then it may yet delete the source (after a commit) or take a new pod away that was made early.
 */
function afterFailure(migration: PaguroMigration, source: 'running' | 'leaving' | 'ended'): MoveProgress {
  const { message, phase, isReleased } = migration;
  if (source === 'running' && !isReleased) return { kind: 'copying', note: `Paguro clears up: ${message || phase}` };
  if (source === 'running') return { kind: 'rolledBack', because: `Paguro: ${message || phase}` };
  if (source === 'leaving') return { kind: 'cutover', note: `Paguro: ${message}`, isCommitted: true };
  return restarted(`Paguro: ${message || phase}`);
}

/** Off its server, and its memory is lost: nothing is left to be done, and it has to be said. */
function restarted(because: string): MoveProgress {
  return { kind: 'done', evidence: { kept: 'nothing: restart' }, because };
}

function keptBy({ coldStarts, keepsAddress, network }: PaguroMigration): MovePromise {
  if (coldStarts.length > 0) return 'nothing: restart';
  if (keepsAddress) return 'everything';
  return network === 'phantom' ? 'in-cluster connections' : 'memory';
}
