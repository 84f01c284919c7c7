/** A PodDisruptionBudget as Pitcrew looks at it. Pure. */
import { matchesSelector, type LabelSelector } from './scheduling.ts';
import type { PodView } from './pod.ts';

export interface BudgetView {
  readonly namespace: string;
  readonly name: string;
  readonly selector: LabelSelector;
  readonly disruptionsAllowed: number;
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
  readonly expectedPods: number;
  /** As written by the owner, e.g. `minAvailable 2` or `maxUnavailable 25%`, for messages. */
  readonly asks: string;
  readonly unhealthyPodEvictionPolicy: 'IfHealthyBudget' | 'AlwaysAllow';
}

/** A list that was handed out is never changed, so it is sorted by namespace once. */
const inNamespaces = new WeakMap<readonly BudgetView[], ReadonlyMap<string, readonly BudgetView[]>>();

export function budgetsOf(pod: PodView, budgets: readonly BudgetView[]): BudgetView[] {
  const byNamespace = inNamespaces.get(budgets) ?? Map.groupBy(budgets, ({ namespace }) => namespace);
  inNamespaces.set(budgets, byNamespace);
  const near = byNamespace.get(pod.namespace) ?? [];
  return near.filter((budget) => matchesSelector(budget.selector, pod.labels));
}

/**
 * A budget that no waiting can ever satisfy: it wants every pod that it expects. It blocks a drain for ever
 * (kubernetes/kubernetes#66811), so it is found before the cordon.
 */
export function canNeverBeMet(budget: BudgetView): boolean {
  return budget.expectedPods > 0 && budget.desiredHealthy >= budget.expectedPods;
}
