/**
 * The built-in mover: a running pod goes to another server with its memory, its connections and its address, by CRIU and
 * runc over SSH. Nothing of ours stays on the servers but one small wrapper around runc.
 *
 * How: `passage.ts` goes the way, the scripts in `node/` do the work. Until the source has passed the commit point every
 * failure leaves it running: before the pod's object is deleted by doing nothing, after that by the same way once more, from
 * the source onto itself. It never thaws a source whose target may have begun.
 */
import type { NodeView } from '../../cluster/node.ts';
import { podKey, type PodView } from '../../cluster/pod.ts';
import { recordAt, textAt, listAt } from '../../cluster/json.ts';
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
import { cleanServer, Passage, removeNamed, type CutResult, type End } from './passage.ts';
import {
  bytesOf,
  pairBlockers,
  podBlockers,
  predictedMsOf,
  promiseOf,
  serverBlockers,
  timeoutMsOf,
} from './readiness.ts';
import { participation, ServerLooks } from './server-looks.ts';
import { bindingsKind, keepsAddress, moveAnnotation, moveLabel, policiesKind } from './steering.ts';

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

interface Swept {
  readonly removed: readonly string[];
  /** Of moves that the journal does not know; left as they are. */
  readonly unknown: readonly string[];
}

const settingsDefault: CriuMoverSettings = { lazyFromBytes: 64 * 1_048_576 };
/** A pod may have less memory than it looks like from outside, but the way back has to end some time. */
const wayBackMs = 120_000;
const pauseMs = 500;

export class CriuMover implements PodMover {
  readonly name = 'criu';
  readonly #needs: CriuMoverNeeds;
  readonly #settings: CriuMoverSettings;
  readonly #looks: ServerLooks;

  constructor(needs: CriuMoverNeeds, settings: CriuMoverSettings = settingsDefault) {
    this.#needs = needs;
    this.#settings = settings;
    this.#looks = new ServerLooks(needs);
  }

  async detect(signal: AbortSignal): Promise<Detection> {
    const { label, value } = participation;
    if ((await this.#looks.participants()).length < 2) {
      return { kind: 'missing', because: `fewer than two servers carry the label ${label}: ${value} in the inventory` };
    }
    const closed = await this.#whyNoPolicies(signal);
    if (closed !== undefined) return { kind: 'missing', because: closed };
    const looks = await this.#looks.refresh(signal);
    const ready = [...looks].filter(
      ([node, look]) => look.kind === 'seen' && serverBlockers(node, look.facts).length === 0,
    );
    if (ready.length < 2) {
      const first = [...looks].flatMap(([node, look]) =>
        look.kind === 'seen' ? serverBlockers(node, look.facts) : [`${node}: ${look.because}`],
      )[0];
      return {
        kind: 'missing',
        because: `${ready.length} servers are ready for it, two are needed: ${first ?? 'none is known'}`,
      };
    }
    return { kind: 'ready', text: `${ready.length} of ${looks.size} servers ready`, atOnce: { perServer: 1 } };
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
    if (!keepsAddress(facts.network)) {
      blockers.push(`its network (${facts.network || 'unknown'}) gives no address to a pod while another has it`);
    }
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
    const arrived = await this.#arrived(order, signal);
    if (arrived === 'ready') return this.#afterCut(order, passage, await passage.cut(20_000, signal), context);
    if (!order.isCommitted) {
      const station = await passage.approach(signal);
      switch (station.kind) {
        case 'refused':
          return this.#giveUp(order, passage, station.because, context);
        case 'stuck':
          return this.#giveUp(order, passage, station.because, context);
        case 'preparing':
          return { kind: 'queued', waitingFor: station.note };
        case 'arriving':
          return { kind: 'copying', note: station.note };
        case 'ready':
          // Written down first: from here on the source may pass the commit point at any moment.
          await context.commit();
      }
    }
    return this.#afterCut(order, passage, await passage.cut(20_000, signal), context);
  }

  async cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const view = await this.#needs.cluster.view(signal);
    const passage = await this.#passageOf(order, view);
    if ((await passage.callOff(signal)) === 'committed') return 'committed';
    const wasHandedOver = await passage.isHandedOver(signal);
    if (wasHandedOver) await this.#comeBack(order, passage, view, signal);
    await passage.clean(signal);
    return 'cancelled';
  }

  /**
   * Takes away what moves left that are over: policies, keys, images, markers. `journal` is asked after everything was seen,
   * because a move is written down before it leaves anything. What the journal does not know is left alone: it may be the
   * move of another installation, and the only copy of a pod's memory.
   */
  async sweep(journal: () => Promise<ReadonlyMap<string, 'over' | 'goingOn'>>, signal: AbortSignal): Promise<Swept> {
    const { objects, connections, clock } = this.#needs;
    const found = new Map<string, InventoryServer[]>();
    for (const kind of [bindingsKind, policiesKind]) {
      if (!(await objects.serves(kind, signal))) continue;
      for (const object of await objects.list(kind, { labelSelector: moveLabel }, signal)) {
        found.set(textAt(recordAt(object, 'metadata'), 'name'), []);
      }
    }
    for (const server of await this.#looks.participants()) {
      const look = await this.#looks.look(server, signal);
      for (const id of look.kind === 'seen' ? look.facts.moves : []) found.set(id, [...(found.get(id) ?? []), server]);
    }
    const known = await journal();
    const stateOf = (id: string): 'over' | 'goingOn' | undefined =>
      known.get(id) ?? known.get(id.replace(/-back$/, ''));
    const over = [...found].filter(([id]) => stateOf(id) === 'over');
    for (const [id, servers] of over) {
      for (const kind of [bindingsKind, policiesKind]) await removeNamed(objects, kind, id, signal);
      for (const server of servers) await cleanServer(connections.shellOf(server), id, server.ssh.user, clock, signal);
    }
    const unknown = [...found.keys()].filter((id) => stateOf(id) === undefined);
    return { removed: over.map(([id]) => id), unknown };
  }

  async #afterCut(order: MoveOrder, passage: Passage, result: CutResult, context: MoveContext): Promise<MoveProgress> {
    switch (result.kind) {
      case 'running':
        return { kind: 'cutover', note: 'frozen, or changing hands', isCommitted: true };
      case 'moved':
        return this.#finish(order, passage, result, context.signal);
      case 'rolledBack':
        return this.#giveUp(order, passage, result.because, context);
      case 'unclear':
        throw new MaintenanceError(
          'mover/unclear',
          'halt',
          `${podKey(order.pod)} stands still on ${order.source}, and it is not known whether ${order.target} has begun: ${result.because}`,
          { details: { move: order.id } },
        );
    }
  }

  /** Done is what the API shows: another uid, on the target, Ready. Then nothing of the move is needed any more. */
  async #finish(
    order: MoveOrder,
    passage: Passage,
    moved: { readonly freezeMs: number | undefined; readonly isIncomplete: boolean } | undefined,
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    if ((await this.#arrived(order, signal)) !== 'ready') {
      return { kind: 'cutover', note: 'restored, not Ready yet', isCommitted: true };
    }
    const pod = await passage.newcomer(signal);
    const uid = textAt(recordAt(pod, 'metadata'), 'uid');
    if ((await passage.clean(signal)) === 'kept') {
      return { kind: 'cutover', note: 'its server still holds it', isCommitted: true };
    }
    const where = { uid, node: order.target, freezeMs: moved?.freezeMs };
    if (!moved?.isIncomplete) return { kind: 'done', evidence: { kept: order.promise, ...where } };
    const because =
      'the servers lost each other while memory was still coming: it went on from the freeze, connections were closed';
    return { kind: 'done', evidence: { kept: 'memory', ...where }, because };
  }

  async #arrived(order: MoveOrder, signal: AbortSignal): Promise<'ready' | 'no'> {
    const pods = await this.#needs.objects.list(
      { group: '', version: 'v1', resource: 'pods' },
      { namespace: order.pod.namespace },
      signal,
    );
    const isReady = pods.some(
      (pod) =>
        recordAt(recordAt(pod, 'metadata'), 'annotations')[moveAnnotation] === order.id &&
        textAt(recordAt(pod, 'spec'), 'nodeName') === order.target &&
        listAt(recordAt(pod, 'status'), 'conditions').some(
          (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
        ),
    );
    return isReady ? 'ready' : 'no';
  }

  async #giveUp(order: MoveOrder, passage: Passage, because: string, context: MoveContext): Promise<MoveProgress> {
    const { signal } = context;
    if ((await passage.callOff(signal)) === 'committed') {
      return { kind: 'cutover', note: because, isCommitted: true };
    }
    if (await passage.isHandedOver(signal)) await this.#comeBack(order, passage, context.view, signal);
    await passage.clean(signal);
    return { kind: 'rolledBack', because };
  }

  /**
   * The pod's object is gone already and its containers run on, held, on the source: so they go the same way once more, from
   * the source onto itself, past the scheduler, because the node takes no new pods.
   */
  async #comeBack(order: MoveOrder, away: Passage, view: ClusterView, signal: AbortSignal): Promise<void> {
    const newcomer = await away.newcomer(signal);
    const metadata = recordAt(newcomer, 'metadata');
    const source = await this.#endOf(order.source, view);
    const pod = newcomer
      ? { namespace: order.pod.namespace, name: textAt(metadata, 'name'), uid: textAt(metadata, 'uid') }
      : order.pod;
    const back = new Passage(
      {
        id: `${order.id}-back`,
        containersOf: order.pod.uid,
        pod,
        source,
        target: source,
        isBound: true,
        lazyFromBytes: 0,
        timeoutMs: order.timeoutMs,
      },
      this.#needs.objects,
      this.#needs.clock,
    );
    await away.withdraw(signal);
    const untilMs = this.#needs.clock.nowMs() + wayBackMs;
    let last = '';
    while (this.#needs.clock.nowMs() < untilMs) {
      const station = await back.approach(signal);
      if (station.kind === 'ready') {
        const result = await back.cut(wayBackMs, signal);
        if (result.kind === 'moved') {
          await back.clean(signal);
          return;
        }
        last = result.kind === 'running' ? 'it takes too long' : result.because;
        break;
      }
      if (station.kind === 'refused' || station.kind === 'stuck') {
        last = station.because;
        break;
      }
      last = station.note;
      await this.#needs.clock.sleep(pauseMs, signal);
    }
    throw new MaintenanceError(
      'mover/unclear',
      'halt',
      `${podKey(order.pod)} runs on on ${order.source}, but Kubernetes does not know it any more, and it could not be taken back: ${last}. Removing /run/pitcrew/containers there lets its kubelet end it`,
      { details: { move: order.id } },
    );
  }

  async #passageOf(order: MoveOrder, view: ClusterView): Promise<Passage> {
    const { id, pod, timeoutMs } = order;
    const source = await this.#endOf(order.source, view);
    const target = await this.#endOf(order.target, view);
    const { lazyFromBytes } = this.#settings;
    const trip = { id, containersOf: pod.uid, pod, source, target, isBound: false, lazyFromBytes, timeoutMs };
    return new Passage(trip, this.#needs.objects, this.#needs.clock);
  }

  async #endOf(node: string, view: ClusterView): Promise<End> {
    const server = (await this.#needs.servers()).find((candidate) => candidate.node === node);
    const address = nodeOf(view, node)?.internalAddress;
    if (!server || address === undefined) {
      const message = server ? `node ${node} has no internal address` : `no server of the inventory is node ${node}`;
      throw new MaintenanceError('cluster/not-found', 'halt', message);
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

function nodeOf(view: ClusterView, name: string): NodeView | undefined {
  return view.nodes.find((node) => node.name === name);
}
