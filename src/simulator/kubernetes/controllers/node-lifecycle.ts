/**
 * Node lifecycle: taints that follow from conditions and cordons, nodes that fall silent, and pods that are given up on
 * such a node after the time that they tolerate.
 */
import { isEqual } from '../equal.ts';
import { kinds } from '../kinds.ts';
import { withCondition, type NodeObject, type PodObject, type TaintObject } from '../objects.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import type { Context, Controller } from './context.ts';
import type { KubeletListener } from './kubelet.ts';
import { deletePod } from './pods-of-workloads.ts';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';
const unschedulable = 'node.kubernetes.io/unschedulable';
const ownTaints: ReadonlySet<string> = new Set([notReady, unreachable, unschedulable]);

export class NodeLifecycle implements Controller, KubeletListener {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;
  /** Grows with every word from a kubelet and with every silence, so that an old deadline does nothing. */
  readonly #epochs = new Map<string, number>();

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.reactionMs, (key) => this.#reconcile(key));
  }

  onChange({ kind, type, object }: Change): void {
    if (kind === kinds.nodes && type !== 'DELETED') this.#dirty.add(object.metadata.name);
  }

  onKubelet(node: string, isRunning: boolean): void {
    const epoch = (this.#epochs.get(node) ?? 0) + 1;
    this.#epochs.set(node, epoch);
    if (isRunning) return;
    this.#context.timers.after(this.#context.times.nodeGraceMs, () => {
      if (this.#epochs.get(node) === epoch) this.#markUnknown(node, epoch);
    });
  }

  #reconcile(name: string): void {
    const { store } = this.#context;
    const node = store.get(kinds.nodes, undefined, name);
    if (!node) return;
    const taints = this.#wantedTaints(node);
    const { taints: _before, ...spec } = node.spec;
    const annotations = { 'node.alpha.kubernetes.io/ttl': '0', ...node.metadata.annotations };
    const next: NodeObject = {
      ...node,
      metadata: { ...node.metadata, annotations },
      // Conditions come often; a spec that stays the same object tells others that nothing changed for them.
      spec: isEqual(taints, node.spec.taints ?? []) ? node.spec : taints.length > 0 ? { ...spec, taints } : spec,
    };
    if (!isEqual(node, next)) store.replace(kinds.nodes, node, next);
  }

  #wantedTaints(node: NodeObject): readonly TaintObject[] {
    const before = node.spec.taints ?? [];
    const keep = (key: string, effect: string): TaintObject => {
      const found = before.find((taint) => taint.key === key && taint.effect === effect);
      // The time tells since when, and only NoExecute asks for it.
      return found ?? { key, effect, ...(effect === 'NoExecute' && { timeAdded: this.#context.registry.now() }) };
    };
    const ready = node.status.conditions?.find((condition) => condition.type === 'Ready')?.status;
    const wanted = before.filter((taint) => !ownTaints.has(taint.key));
    // A node that never reported is not ready, but nobody runs there who would have to leave.
    if (ready === undefined) wanted.push(keep(notReady, 'NoSchedule'));
    if (ready === 'False') wanted.push(keep(notReady, 'NoSchedule'), keep(notReady, 'NoExecute'));
    if (ready === 'Unknown') wanted.push(keep(unreachable, 'NoSchedule'), keep(unreachable, 'NoExecute'));
    if (node.spec.unschedulable === true) wanted.push(keep(unschedulable, 'NoSchedule'));
    return wanted;
  }

  #markUnknown(name: string, epoch: number): void {
    const { store, registry, timers, pods } = this.#context;
    const node = store.get(kinds.nodes, undefined, name);
    if (!node) return;
    registry.setStatus(kinds.nodes, node, {
      ...node.status,
      conditions: withCondition(node.status.conditions, {
        type: 'Ready',
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: registry.now(),
      }),
    });
    const toleratedMs = new Set<number>();
    for (const pod of pods.onNode(name).values()) {
      const forMs = tolerationMs(pod);
      if (forMs !== undefined) toleratedMs.add(forMs);
    }
    for (const forMs of toleratedMs) timers.after(forMs, () => this.#giveUp(name, epoch, forMs));
  }

  #giveUp(name: string, epoch: number, forMs: number): void {
    if (this.#epochs.get(name) !== epoch) return;
    for (const pod of this.#context.pods.onNode(name).values()) {
      const isDue = tolerationMs(pod) === forMs;
      if (isDue && pod.metadata.deletionTimestamp === undefined) deletePod(this.#context, pod);
    }
  }
}

/** How long a pod stays on an unreachable node; `undefined`: for ever. */
function tolerationMs(pod: PodObject): number | undefined {
  const tolerations = (pod.spec.tolerations ?? []).filter(
    ({ key, effect }) => (key === undefined || key === unreachable) && (effect === undefined || effect === 'NoExecute'),
  );
  if (tolerations.length === 0) return 0;
  const seconds = tolerations.map((toleration) => toleration.tolerationSeconds ?? Number.POSITIVE_INFINITY);
  const longest = Math.max(...seconds);
  return Number.isFinite(longest) ? longest * 1000 : undefined;
}
