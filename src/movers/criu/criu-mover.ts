/**
 * The built-in mover: a running pod goes to another server with its memory, its connections and its address, by CRIU and
 * runc over SSH. Nothing of ours stays on the servers but one small wrapper around runc.
 *
 * How: `passage.ts` goes the way, the scripts in `node/` do the work. Until the source has passed the commit point every
 * failure leaves it running: before the pod's object is deleted by doing nothing, after that by the same way once more, from
 * the source onto itself. What comes after the freeze has begun is `aftermath.ts`.
 */
import type { PodView } from '../../cluster/pod.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Cluster, ClusterView } from '../../ports/cluster.ts';
import type { Connections } from '../../ports/connections.ts';
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
import type { InventoryServer } from '../../spec/inventory.ts';
import { Aftermath } from './aftermath.ts';
import { nodeOf, serverOf } from './ends.ts';
import { Passage, type End } from './passage.ts';
import {
  addressBlockers,
  bytesOf,
  pairBlockers,
  podBlockers,
  predictedMsOf,
  promiseOf,
  serverBlockers,
  timeoutMsOf,
} from './readiness.ts';
import { detectionOf } from './detection.ts';
import { participation, ServerLooks, type ReadyPods } from './server-looks.ts';
import { keepsAddress, moveLabel, policiesKind } from './steering.ts';
import { sweepLeftovers, type MovesKnown, type Swept } from './sweep.ts';

export interface CriuMoverNeeds {
  readonly cluster: Pick<Cluster, 'view' | 'readPod' | 'readNode'>;
  readonly objects: ApiObjects;
  readonly connections: Connections;
  readonly clock: Clock;
  /** The servers of the inventory as it is now. */
  readonly servers: () => Promise<readonly InventoryServer[]>;
}

export interface CriuMoverSettings {
  /** Containers with at least so much memory run on before all of it has come. 0: never. */
  readonly lazyFromBytes: number;
}

/** One look at the freeze waits for so long; it goes on without being looked at. */
const cutMs = 20_000;
/** Smaller ones take all of it along: a tenth of a second more, and no moment in which the servers must not lose each other. */
const settingsDefault: CriuMoverSettings = { lazyFromBytes: 64 * 1_048_576 };

export class CriuMover implements PodMover {
  readonly name = 'criu';
  readonly #needs: CriuMoverNeeds;
  readonly #settings: CriuMoverSettings;
  readonly #looks: ServerLooks;
  readonly #aftermath: Aftermath;

  constructor(needs: CriuMoverNeeds, settings: CriuMoverSettings = settingsDefault) {
    this.#needs = needs;
    this.#settings = settings;
    this.#looks = new ServerLooks(needs);
    this.#aftermath = new Aftermath(needs);
  }

  async detect(signal: AbortSignal): Promise<Detection> {
    const { label, value } = participation;
    if ((await this.#looks.participants()).length < 2) {
      return { kind: 'missing', because: `fewer than two servers carry the label ${label}: ${value} in the inventory` };
    }
    const closed = await this.#whyNoPolicies(signal);
    if (closed !== undefined) return { kind: 'missing', because: closed };
    return detectionOf(await this.#looks.refresh(readyPods(await this.#needs.cluster.view(signal)), signal));
  }

  async #whyNoPolicies(signal: AbortSignal): Promise<string | undefined> {
    const { objects } = this.#needs;
    if (!(await objects.serves(policiesKind, signal))) return 'the cluster serves no MutatingAdmissionPolicy (v1)';
    try {
      await objects.list(policiesKind, { labelSelector: moveLabel }, signal);
      return undefined;
    } catch (error) {
      if (!(error instanceof MaintenanceError) || error.code !== 'cluster/forbidden') throw error;
      return 'rights are missing: deploy/kubernetes/rbac-live-migration.yaml grants them';
    }
  }

  assess(pod: PodView, view: ClusterView, target?: string): Assessment {
    const source = this.#looks.of(pod.node);
    if (!source) return { kind: 'unable', blockers: [`nothing is known about ${pod.node} yet`] };
    if (source.kind === 'unseen') return { kind: 'unable', blockers: [`${pod.node}: ${source.because}`] };
    const { facts } = source;
    const bytes = bytesOf(pod, facts);
    const blockers = [...podBlockers(pod, facts), ...serverBlockers(pod.node, facts)];
    if (!keepsAddress(facts.network)) blockers.push(...addressBlockers(pod, facts));
    if (target !== undefined) {
      const there = this.#looks.of(target);
      if (there?.kind !== 'seen') blockers.push(`nothing is known about ${target}`);
      else {
        blockers.push(...serverBlockers(target, there.facts));
        blockers.push(...pairBlockers([pod.node, facts], [target, there.facts], bytes));
      }
      if (nodeOf(view, target)?.internalAddress === undefined) blockers.push(`${target} has no internal address`);
    }
    if (blockers.length > 0) return { kind: 'unable', blockers };
    return {
      kind: 'able',
      promise: promiseOf(facts),
      predictedMs: predictedMsOf(bytes),
      timeoutMs: timeoutMsOf(bytes),
    };
  }

  async advance(order: MoveOrder, context: MoveContext): Promise<MoveProgress> {
    const { signal } = context;
    const passage = await this.#passageOf(order, context.view);
    const arrived = await this.#aftermath.arrived(order, signal);
    if (arrived === 'ready')
      return this.#aftermath.settle(order, passage, await passage.cut.run(cutMs, signal), context);
    if (!order.isCommitted) {
      const station = await passage.approach(signal);
      switch (station.kind) {
        case 'sourceLost':
          return this.#aftermath.withoutSource(order, passage, signal);
        case 'refused':
        case 'stuck':
          return this.#aftermath.giveUp(passage, station.because, signal);
        case 'preparing':
          return { kind: 'queued', waitingFor: station.note };
        case 'arriving':
          return { kind: 'copying', note: station.note };
        case 'ready':
          // Written down first: from here on the source may pass the commit point at any moment.
          await context.commit();
      }
    }
    return this.#aftermath.settle(order, passage, await passage.cut.run(cutMs, signal), context);
  }

  async cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const view = await this.#needs.cluster.view(signal);
    const passage = await this.#passageOf(order, view);
    return this.#aftermath.takeBack(passage, signal);
  }

  /** What moves left that are over. `journal` is asked for what it knows once everything was seen. */
  async sweep(journal: () => Promise<MovesKnown>, signal: AbortSignal): Promise<Swept> {
    const { objects, connections, clock } = this.#needs;
    return sweepLeftovers({ objects, connections, clock, looks: this.#looks }, journal, signal);
  }

  async #passageOf(order: MoveOrder, view: ClusterView): Promise<Passage> {
    const { id, pod, timeoutMs } = order;
    const source = await this.#endOf(order.source, view);
    const target = await this.#endOf(order.target, view);
    const { lazyFromBytes } = this.#settings;
    // As it was promised, whatever the network has become since.
    const trip = { id, containersOf: pod.uid, pod, source, target, lazyFromBytes, timeoutMs };
    const kept = { isBound: false, keepsAddress: order.promise === 'everything' };
    return new Passage({ ...trip, ...kept }, this.#needs.objects, this.#needs.clock);
  }

  async #endOf(node: string, view: ClusterView): Promise<End> {
    const server = serverOf(await this.#needs.servers(), node);
    const address = nodeOf(view, node)?.internalAddress;
    if (address === undefined) {
      throw new MaintenanceError('cluster/not-found', 'halt', `node ${node} has no internal address`);
    }
    const look = this.#looks.of(node) ?? (await this.#looks.look(server, AbortSignal.timeout(60_000)));
    return {
      node,
      shell: this.#needs.connections.shellOf(server),
      sshUser: server.ssh.user,
      address,
      port: 22,
      network: look.kind === 'seen' ? look.facts.network : '',
    };
  }
}

function readyPods({ pods }: ClusterView): ReadyPods {
  const byNode = Map.groupBy(
    pods.filter(({ ready }) => ready),
    ({ node }) => node,
  );
  return new Map([...byNode].map(([node, there]) => [node, new Set(there.map(({ uid }) => uid))]));
}
