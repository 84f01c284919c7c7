/**
 * The built-in mover: a running pod goes to another server with its memory, its connections and its address, by CRIU and
 * runc over SSH. Nothing of ours stays on the servers but one small wrapper around runc.
 *
 * How: `passage.ts` goes the way, the scripts in `node/` do the work. Until the source has passed the commit point every
 * failure leaves it running: before the pod's object is deleted by doing nothing, after that by the same way once more, from
 * the source onto itself. It never thaws a source whose target may have begun.
 */
import type { NodeView } from '../../cluster/node.ts';
import { moveAnnotation } from '../../cluster/placement.ts';
import { podKey, type PodView } from '../../cluster/pod.ts';
import { listAt, numberAt, recordAt, textAt } from '../../cluster/json.ts';
import { MaintenanceError, unreachable } from '../../errors/maintenance-error.ts';
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
import type { CutResult, Unclear } from './cut.ts';
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
import { participation, ServerLooks, type ReadyPods } from './server-looks.ts';
import { keepsAddress, moveLabel, policiesKind } from './steering.ts';
import { sweepLeftovers, type MovesKnown, type Swept } from './sweep.ts';
import { comeBack } from './way-back.ts';

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
const settingsDefault: CriuMoverSettings = { lazyFromBytes: 64 * 1_048_576 };
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
    const looks = await this.#looks.refresh(readyPods(await this.#needs.cluster.view(signal)), signal);
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
    const networks = ready.flatMap(([, look]) => (look.kind === 'seen' ? [look.facts.network] : []));
    const text = `${ready.length} of ${looks.size} servers ready${keptText(networks)}`;
    return { kind: 'ready', text, atOnce: { perServer: 1 } };
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
    const arrived = await this.#arrived(order, signal);
    if (arrived === 'ready') return this.#afterCut(order, passage, await passage.cut.run(cutMs, signal), context);
    if (!order.isCommitted) {
      const station = await passage.approach(signal);
      switch (station.kind) {
        case 'sourceLost':
          return this.#withoutSource(order, passage, signal);
        case 'refused':
        case 'stuck':
          return this.#giveUp(passage, station.because, context);
        case 'preparing':
          return { kind: 'queued', waitingFor: station.note };
        case 'arriving':
          return { kind: 'copying', note: station.note };
        case 'ready':
          // Written down first: from here on the source may pass the commit point at any moment.
          await context.commit();
      }
    }
    return this.#afterCut(order, passage, await passage.cut.run(cutMs, signal), context);
  }

  async cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const view = await this.#needs.cluster.view(signal);
    const passage = await this.#passageOf(order, view);
    if ((await passage.callOff(signal)) === 'committed') return 'committed';
    if (await passage.isHandedOver(signal)) await comeBack(passage, this.#needs, signal);
    await passage.clean(signal);
    return 'cancelled';
  }

  /** What moves left that are over. `journal` is asked for what it knows once everything was seen. */
  async sweep(journal: () => Promise<MovesKnown>, signal: AbortSignal): Promise<Swept> {
    const { objects, connections, clock } = this.#needs;
    return sweepLeftovers({ objects, connections, clock, looks: this.#looks }, journal, signal);
  }

  async #afterCut(order: MoveOrder, passage: Passage, result: CutResult, context: MoveContext): Promise<MoveProgress> {
    switch (result.kind) {
      case 'running':
        return { kind: 'cutover', note: 'frozen, or changing hands', isCommitted: true };
      case 'moved':
        return this.#finish(order, passage, result, context.signal);
      case 'rolledBack':
        return this.#giveUp(passage, result.because, context);
      case 'sourceLost':
        return this.#withoutSource(order, passage, context.signal);
      case 'unclear':
        return this.#untangle(order, passage, result, context);
      default:
        return unreachable(result);
    }
  }

  /**
   * Past the commit point, and the target has fallen silent. Its own word is best; the proof that nothing of the move runs
   * there is as good. Without either it is waited for, and then a person is asked.
   */
  async #untangle(order: MoveOrder, passage: Passage, result: Unclear, context: MoveContext): Promise<MoveProgress> {
    const { signal, view } = context;
    const bmc = this.#needs.connections.bmcOf(await this.#serverOf(order.target));
    const proof = await passage.cut.whyTargetIsDown(result, nodeOf(view, order.target), bmc, signal);
    if (proof !== undefined && (await passage.cut.reclaim(signal)) === 'aborted') {
      const because = `${order.target} fell silent in the middle, and ${proof}; what it may have answered meanwhile is lost`;
      return this.#giveUp(passage, because, context);
    }
    const again = await passage.cut.again(signal);
    if (again.kind !== 'unclear') return this.#afterCut(order, passage, again, context);
    const text = `${podKey(order.pod)} stands still on ${order.source}, and it is not known whether ${order.target} has begun: ${result.because}`;
    if (this.#needs.clock.nowMs() - order.startedMs < 2 * order.timeoutMs) {
      return { kind: 'cutover', note: text, isCommitted: true };
    }
    throw new MaintenanceError('mover/unclear', 'halt', text, { details: { move: order.id } });
  }

  /** Where the target has not got it either, the pod starts anew, without its memory. */
  async #withoutSource(order: MoveOrder, passage: Passage, signal: AbortSignal): Promise<MoveProgress> {
    if ((await this.#arrived(order, signal)) === 'ready') return this.#finish(order, passage, undefined, signal);
    const isLate = this.#needs.clock.nowMs() - order.startedMs >= 2 * order.timeoutMs;
    if ((await passage.callOffTarget(signal)) === 'committed' && !isLate) {
      return { kind: 'cutover', note: `${order.source} was rebooted, ${order.target} has it all`, isCommitted: true };
    }
    await passage.clean(signal);
    return { kind: 'failed', because: `nothing of it is left on ${order.source}, which was rebooted: it starts anew` };
  }

  /** Done is what the API shows: another uid, on the target, Ready. Then nothing of the move is needed any more. */
  async #finish(
    order: MoveOrder,
    passage: Passage,
    moved: Extract<CutResult, { kind: 'moved' }> | undefined,
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    if ((await this.#arrived(order, signal)) !== 'ready') return this.#awaitReady(order, passage, moved, signal);
    const pod = await passage.newcomer(signal);
    const uid = textAt(recordAt(pod, 'metadata'), 'uid');
    if ((await passage.clean(signal)) === 'kept') {
      return { kind: 'cutover', note: 'its server still holds it', isCommitted: true };
    }
    const where = { uid, node: order.target, freezeMs: moved?.freezeMs, parts: moved?.parts };
    if (!moved && hasRestarted(pod)) {
      const because = `${order.source} was rebooted before all of its memory had come`;
      return { kind: 'done', evidence: { kept: 'nothing: restart', ...where }, because };
    }
    if (!moved?.isIncomplete) return { kind: 'done', evidence: { kept: order.promise, ...where } };
    const because =
      'the servers lost each other while memory was still coming: it went on from the freeze, connections were closed';
    return { kind: 'done', evidence: { kept: 'memory', ...where }, because };
  }

  async #awaitReady(
    order: MoveOrder,
    passage: Passage,
    moved: Extract<CutResult, { kind: 'moved' }> | undefined,
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    const pulse = moved ? await passage.cut.pulseOfTarget(moved, signal) : 'same';
    switch (pulse) {
      case 'same':
        return { kind: 'cutover', note: 'restored, not Ready yet', isCommitted: true };
      case 'silent':
        return { kind: 'cutover', note: `${order.target} took over and does not answer`, isCommitted: true };
      case 'rebooted':
        await passage.clean(signal);
        return { kind: 'failed', because: `${order.target} was rebooted after it took over: it starts anew there` };
      default:
        return unreachable(pulse);
    }
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

  async #giveUp(passage: Passage, because: string, { signal }: MoveContext): Promise<MoveProgress> {
    if ((await passage.callOff(signal)) === 'committed') {
      return { kind: 'cutover', note: because, isCommitted: true };
    }
    const isHandedOver = await passage.isHandedOver(signal);
    const uid = isHandedOver ? await comeBack(passage, this.#needs, signal) : undefined;
    await passage.clean(signal);
    if (!isHandedOver || passage.trip.keepsAddress) return { kind: 'rolledBack', because, uid };
    const price = 'back on its own server it has its memory, another address, and no connection of before';
    return { kind: 'rolledBack', because: `${because}; ${price}`, uid };
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

  async #serverOf(node: string): Promise<InventoryServer> {
    const server = (await this.#needs.servers()).find((candidate) => candidate.node === node);
    if (server) return server;
    throw new MaintenanceError('cluster/not-found', 'halt', `no server of the inventory is node ${node}`);
  }

  async #endOf(node: string, view: ClusterView): Promise<End> {
    const server = await this.#serverOf(node);
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

/** What a pod on these networks keeps, where that is less than everything. */
function keptText(networks: readonly string[]): string {
  const others = [...new Set(networks)].filter((network) => !keepsAddress(network)).sort();
  if (others.length === 0) return '';
  const names = others.map((name) => name || 'unknown').join(', ');
  return `; a pod keeps its memory, gets another address, and connections are closed (network ${names})`;
}

function readyPods({ pods }: ClusterView): ReadyPods {
  const byNode = Map.groupBy(
    pods.filter(({ ready }) => ready),
    ({ node }) => node,
  );
  return new Map([...byNode].map(([node, there]) => [node, new Set(there.map(({ uid }) => uid))]));
}

function nodeOf(view: ClusterView, name: string): NodeView | undefined {
  return view.nodes.find((node) => node.name === name);
}

function hasRestarted(pod: unknown): boolean {
  return listAt(recordAt(pod, 'status'), 'containerStatuses').some((status) => numberAt(status, 'restartCount') > 0);
}
