/**
 * Plain pods, where Cast AI's container live migration is installed: one `Migration` of `live.cast.ai/v1` per move.
 *
 * Its controller is closed; what is known are its labels, `spec` (podName, podNamespace, destination) and the states of
 * `status.state` (docs.cast.ai/docs/clm-*, the CRDs in castai/helm-charts, public controllers that drive it; of these one knows
 * its good end as Completed and as Succeeded). What removing
 * a running Migration does is documented nowhere, so one that has begun is never called back, only waited for. Nor is it
 * said which connections are kept, so no more than memory is promised.
 */
import { optionalTextAt, recordAt, textAt, textsAt, timeAt, type JsonRecord } from '../../cluster/json.ts';
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
  PodMover,
} from '../../ports/movers.ts';
import type { ApiObjects, ObjectKind } from '../../ports/objects.ts';
import { Recent } from '../recent.ts';
import { unlessForbidden } from '../rights.ts';
import { findOwn, whyNotServed, whyUnknown, type Missing } from '../served.ts';
import { copyTimeoutMs, predictedCopyMs } from '../sizes.ts';
import { partsOf, sourceState, type SourceState } from '../source.ts';

export const castaiMigrations: ObjectKind = { group: 'live.cast.ai', version: 'v1', resource: 'migrations' };
/** On nodes that can take part, and on pods that its controller has found eligible. */
const enabledLabel = 'live.cast.ai/migration-enabled';
const kindsMaxAgeMs = 60_000;
const subnetLabel = 'topology.cast.ai/subnet-id';
/** Ours, on the Migration: the uid of the pod's controller, by which its clone is known. */
const ownerAnnotation = 'pitcrew.dev/owner-uid';

interface Tools {
  readonly cluster: Cluster;
  readonly objects: ApiObjects;
  readonly clock: Clock;
}

export class CastAiMover implements PodMover {
  readonly name = 'castai';
  readonly #tools: Tools;
  /** `undefined`: nothing is missing. */
  readonly #missing: Recent<Missing | undefined>;

  constructor(tools: Tools) {
    this.#tools = tools;
    this.#missing = new Recent(tools.clock, kindsMaxAgeMs, async (signal) => {
      const missing = await whyNotServed(tools.objects, castaiMigrations, signal);
      // Asked for the sake of the right alone: better known now than when the first pod is to move.
      if (!missing) await tools.objects.list(castaiMigrations, {}, signal);
      return missing;
    });
  }

  detect(signal: AbortSignal): Promise<Detection> {
    return unlessForbidden(() => this.#detect(signal));
  }

  async #detect(signal: AbortSignal): Promise<Detection> {
    const missing = await this.#missing.get(signal);
    if (missing) return missing;
    const { nodes } = await this.#tools.cluster.view(signal);
    const enabled = nodes.filter(({ labels }) => labels[enabledLabel] === 'true');
    return { kind: 'ready', text: `enabled on ${enabled.length} of ${nodes.length} nodes` };
  }

  assess(pod: PodView, view: ClusterView, target?: string): Assessment {
    const blockers = blockersOf(pod, view, target);
    if (blockers.length > 0) return { kind: 'unable', blockers };
    const { memoryBytes } = pod.requests;
    return {
      kind: 'able',
      promise: 'memory',
      predictedMs: predictedCopyMs(memoryBytes),
      timeoutMs: copyTimeoutMs(memoryBytes),
    };
  }

  async advance(order: MoveOrder, { view, signal }: MoveContext): Promise<MoveProgress> {
    const found = await this.#own(order, signal);
    const source = await sourceState(this.#tools.cluster, order.pod, signal);
    if (found) return follow(order, found, source, view);
    if (source === 'leaving') return { kind: 'cutover', note: 'shutting down', isCommitted: true };
    if (source === 'ended') return restarted(whyUnknown(order, 'Cast AI'));
    if (order.hasBegun) return { kind: 'rolledBack', because: 'its Migration was taken away' };
    return this.#begin(order, signal);
  }

  async cancel(order: MoveOrder, signal: AbortSignal): Promise<CancelAnswer> {
    const found = await this.#own(order, signal);
    const source = await sourceState(this.#tools.cluster, order.pod, signal);
    if (!found) return source === 'running' ? { kind: 'cancelled' } : { kind: 'committed' };
    const { uid, status } = partsOf(found);
    const state = textAt(status, 'state');
    if (state === 'Failed') return source === 'running' ? { kind: 'cancelled' } : { kind: 'committed' };
    if (!isWaiting(state)) return { kind: 'committed' };
    const place = { namespace: order.pod.namespace, name: order.id };
    const answer = await this.#tools.objects.remove(castaiMigrations, place, uid, signal);
    return answer === 'gone' && source === 'running' ? { kind: 'cancelled' } : { kind: 'cancelling' };
  }

  #own(order: MoveOrder, signal: AbortSignal): Promise<JsonRecord | undefined> {
    return findOwn(this.#tools, castaiMigrations, order, signal);
  }

  async #begin(order: MoveOrder, signal: AbortSignal): Promise<MoveProgress> {
    const { namespace, name } = order.pod;
    const owner = (await this.#tools.cluster.readPod(order.pod, signal))?.owner;
    const annotations = owner && { [ownerAnnotation]: owner.uid };
    const body: JsonRecord = {
      apiVersion: 'live.cast.ai/v1',
      kind: 'Migration',
      metadata: { name: order.id, labels: { 'app.kubernetes.io/created-by': 'pitcrew' }, annotations },
      spec: { podName: name, podNamespace: namespace, destination: order.target },
    };
    try {
      await this.#tools.objects.create(castaiMigrations, namespace, body, signal);
    } catch (error) {
      if (!(error instanceof MaintenanceError) || error.code !== 'cluster/refused') throw error;
      return { kind: 'failed', because: error.message };
    }
    return { kind: 'queued', waitingFor: 'Cast AI, which has been asked' };
  }
}

function blockersOf(pod: PodView, view: ClusterView, target: string | undefined): string[] {
  const blockers: string[] = [];
  if (pod.labels[enabledLabel] !== 'true') blockers.push(`Cast AI has not found it eligible (label ${enabledLabel})`);
  if (pod.labels['autoscaling.cast.ai/live-migration-disabled'] === 'true') {
    blockers.push('its owner has switched live migration off');
  }
  if (pod.hostNetwork) blockers.push('host network');
  for (const volume of pod.volumes) {
    if (volume.kind === 'hostPath') blockers.push(`hostPath volume ${volume.name}`);
  }
  const names = target === undefined ? [pod.node] : [pod.node, target];
  const nodes = names.flatMap((name) => view.nodes.find((node) => node.name === name) ?? []);
  for (const { name, labels } of nodes) {
    if (labels[enabledLabel] !== 'true') blockers.push(`live migration is not enabled on ${name}`);
  }
  const subnets = new Set(nodes.flatMap(({ labels }) => labels[subnetLabel] ?? []));
  if (subnets.size > 1) blockers.push(`${target} is in another subnet`);
  return blockers;
}

function isWaiting(state: string): boolean {
  return state === '' || state === 'Pending' || state === 'WaitingForCapacity';
}

function follow(order: MoveOrder, found: JsonRecord, source: SourceState, view: ClusterView): MoveProgress {
  const { status } = partsOf(found);
  const state = textAt(status, 'state');
  const said = optionalTextAt(status, 'message') ?? optionalTextAt(status, 'reason') ?? '';
  switch (state) {
    case '':
    case 'Pending':
      return { kind: 'queued', waitingFor: `Cast AI: ${said || 'not begun yet'}` };
    case 'WaitingForCapacity':
      return { kind: 'queued', waitingFor: `Cast AI: no room held on ${order.target} yet ${said}`.trim() };
    case 'Running':
      return { kind: 'copying', note: said || 'copying memory' };
    case 'Ready':
    case 'PodCreated':
      return { kind: 'cutover', note: said || 'the pod changes hands', isCommitted: true };
    case 'Failed':
      if (source === 'running') return { kind: 'rolledBack', because: `Cast AI: ${said || 'failed'}` };
      if (source === 'leaving') return { kind: 'cutover', note: `Cast AI: ${said}`, isCommitted: true };
      return restarted(`Cast AI: ${said || 'failed'}`);
    case 'Completed':
    case 'Succeeded':
      return prove(order, found, source, view);
    default:
      return { kind: 'queued', waitingFor: `Cast AI is in state ${state}, which is not known here` };
  }
}

/**
 * The Migration does not name the clone: it is the pod of the same name that is on another node, or the one of the same owner
 * that came to the target since it was asked for.
 */
function prove(order: MoveOrder, found: JsonRecord, source: SourceState, view: ClusterView): MoveProgress {
  if (source !== 'ended') return waiting(`the old pod is still on ${order.source}`);
  const sinceMs = timeAt(recordAt(found, 'metadata'), 'creationTimestamp');
  const ownerUid = textsAt(recordAt(found, 'metadata'), 'annotations')[ownerAnnotation] ?? '';
  const clone = view.pods.find(
    (pod) =>
      pod.node !== '' &&
      pod.node !== order.source &&
      pod.namespace === order.pod.namespace &&
      pod.uid !== order.pod.uid &&
      pod.createdMs >= sinceMs &&
      (pod.name === order.pod.name || (pod.node === order.target && ownerUid !== '' && pod.owner?.uid === ownerUid)),
  );
  if (!clone) return waiting(`its new pod is not to be seen on ${order.target} yet`);
  if (!clone.ready) return waiting(`${clone.name} is on ${clone.node} and not Ready yet`);
  return { kind: 'done', evidence: { kept: 'memory', uid: clone.uid, node: clone.node } };
}

function waiting(note: string): MoveProgress {
  return { kind: 'cutover', note, isCommitted: true };
}

function restarted(because: string): MoveProgress {
  return { kind: 'done', evidence: { kept: 'nothing: restart' }, because };
}
