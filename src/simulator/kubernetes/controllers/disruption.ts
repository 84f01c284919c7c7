/**
 * The disruption controller: what each budget allows at the moment. It is always a little behind, and that is what makes
 * evictions interesting: they are judged by what it wrote last.
 */
import { matchesSelector } from '../../../cluster/scheduling.ts';
import { kinds } from '../kinds.ts';
import {
  controllerOf,
  isFinished,
  isPodReady,
  withCondition,
  type ApiObject,
  type BudgetObject,
  type PodObject,
} from '../objects.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';

export class DisruptionController implements Controller {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;
  /** The pods that each budget selects, by key of the budget and uid of the pod. */
  readonly #selected = new Map<string, Map<string, PodObject>>();
  /** The other way round: keys of budgets, by uid of the pod. */
  readonly #budgetsByPod = new Map<string, Set<string>>();

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.disruptionMs, (key) => this.#reconcile(key));
  }

  onChange({ kind, type, object, previous }: Change): void {
    if (kind === kinds.budgets) this.#noteBudget(object as BudgetObject, type, previous);
    if (kind !== kinds.pods) return;
    const pod = object as PodObject;
    // Most changes of a pod are of its status alone, and leave it to the budgets that it had.
    const isOfStatus = type === 'MODIFIED' && previous?.metadata.labels === pod.metadata.labels;
    if (isOfStatus) this.#noteStatus(pod);
    else this.#noteLabels(pod, type);
  }

  #noteStatus(pod: PodObject): void {
    const { uid } = pod.metadata;
    for (const key of this.#budgetsByPod.get(uid) ?? []) {
      this.#selected.get(key)?.set(uid, pod);
      this.#dirty.add(key);
    }
  }

  #noteLabels(pod: PodObject, type: Change['type']): void {
    for (const budget of this.#context.store.inNamespace(kinds.budgets, pod.metadata.namespace ?? '')) {
      const key = keyOf(budget);
      const isSelected = type !== 'DELETED' && selects(budget, pod);
      if (isSelected ? this.#take(key, pod) : this.#drop(key, pod.metadata.uid)) this.#dirty.add(key);
    }
  }

  #take(key: string, pod: PodObject): true {
    const { uid } = pod.metadata;
    const pods = this.#selected.get(key);
    if (pods) pods.set(uid, pod);
    else this.#selected.set(key, new Map([[uid, pod]]));
    const budgets = this.#budgetsByPod.get(uid);
    if (budgets) budgets.add(key);
    else this.#budgetsByPod.set(uid, new Set([key]));
    return true;
  }

  /** Whether it was of the budget. */
  #drop(key: string, uid: string): boolean {
    const budgets = this.#budgetsByPod.get(uid);
    budgets?.delete(key);
    if (budgets?.size === 0) this.#budgetsByPod.delete(uid);
    return this.#selected.get(key)?.delete(uid) ?? false;
  }

  #noteBudget(budget: BudgetObject, type: Change['type'], previous: ApiObject | undefined): void {
    const key = keyOf(budget);
    if (type !== 'DELETED') this.#dirty.add(key);
    if (type === 'MODIFIED' && previous?.spec === budget.spec) return;
    for (const uid of this.#selected.get(key)?.keys() ?? []) this.#drop(key, uid);
    if (type === 'DELETED') return;
    const pods = this.#context.store.inNamespace(kinds.pods, budget.metadata.namespace ?? '');
    for (const pod of pods) if (selects(budget, pod)) this.#take(key, pod);
  }

  #reconcile(key: string): void {
    const { store, registry } = this.#context;
    const [namespace, name] = splitKey(key);
    const budget = store.get(kinds.budgets, namespace, name);
    if (!budget) return;
    const pods = [...(this.#selected.get(key)?.values() ?? [])];
    const { expected, desired } = this.#expectations(budget, pods);
    const disrupted = this.#stillDisrupted(budget, pods);
    const healthy = pods.filter(
      (pod) =>
        pod.metadata.deletionTimestamp === undefined &&
        !(pod.metadata.name in disrupted) &&
        isPodReady(pod) &&
        !isFinished(pod),
    ).length;
    const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
    const observedGeneration = budget.metadata.generation ?? 0;
    registry.setStatus(kinds.budgets, budget, {
      observedGeneration,
      ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted }),
      disruptionsAllowed: allowed,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      conditions: withCondition(budget.status.conditions, {
        type: 'DisruptionAllowed',
        status: allowed > 0 ? 'True' : 'False',
        observedGeneration,
        lastTransitionTime: registry.now(),
        reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
        message: '',
      }),
    });
  }

  /** A plain `minAvailable` counts pods; everything else is a share of what the owners want. */
  #expectations(budget: BudgetObject, pods: readonly PodObject[]): { expected: number; desired: number } {
    const { minAvailable, maxUnavailable } = budget.spec;
    if (typeof minAvailable === 'number') return { expected: pods.length, desired: minAvailable };
    const expected = this.#wantedByOwners(pods);
    if (minAvailable !== undefined) return { expected, desired: scaled(minAvailable, expected) };
    return { expected, desired: Math.max(0, expected - scaled(maxUnavailable ?? 0, expected)) };
  }

  /** Pods that nobody controls have no scale, so they do not count. */
  #wantedByOwners(pods: readonly PodObject[]): number {
    const { store } = this.#context;
    const wanted = new Map<string, number>();
    for (const pod of pods) {
      const owner = controllerOf(pod);
      if (!owner || wanted.has(owner.uid)) continue;
      const outside = this.#context.scaleOf?.(owner.uid);
      if (outside !== undefined) wanted.set(owner.uid, outside);
      const kind = owner.kind === 'StatefulSet' ? kinds.statefulSets : kinds.replicaSets;
      const found = store.get(kind, pod.metadata.namespace, owner.name);
      if (found?.metadata.uid !== owner.uid) continue;
      const above = controllerOf(found);
      const deployment = above && store.get(kinds.deployments, pod.metadata.namespace, above.name);
      wanted.set(above?.uid ?? owner.uid, (deployment ?? found).spec.replicas ?? 1);
    }
    return [...wanted.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  /** Charged evictions whose pod has neither gone nor outlived the charge. */
  #stillDisrupted(budget: BudgetObject, pods: readonly PodObject[]): Record<string, string> {
    const { timers, times, registry } = this.#context;
    const kept: Record<string, string> = {};
    for (const [name, chargedAt] of Object.entries(budget.status.disruptedPods ?? {})) {
      const pod = pods.find((candidate) => candidate.metadata.name === name);
      if (!pod || pod.metadata.deletionTimestamp !== undefined) continue;
      const leftMs = Date.parse(chargedAt) + times.disruptionTimeoutMs - registry.clock.nowMs();
      if (leftMs <= 0) continue;
      kept[name] = chargedAt;
      timers.after(leftMs + 1000, () => this.#dirty.add(keyOf(budget)));
    }
    return kept;
  }
}

function selects(budget: BudgetObject, pod: Change['object']): boolean {
  return budget.spec.selector !== undefined && matchesSelector(budget.spec.selector, pod.metadata.labels ?? {});
}

/** Percentages are rounded up, for what must stay and for what may go alike. */
function scaled(amount: number | string, total: number): number {
  return typeof amount === 'number' ? amount : Math.ceil((Number.parseInt(amount, 10) * total) / 100);
}
