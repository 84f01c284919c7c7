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

export function budgetsOf(pod: PodView, budgets: readonly BudgetView[]): BudgetView[] {
  return budgets.filter((budget) => budget.namespace === pod.namespace && matchesSelector(budget.selector, pod.labels));
}

/**
 * A budget that no waiting can ever satisfy: it wants every pod that it expects. It blocks a drain for ever
 * (kubernetes/kubernetes#66811), so it is found before the cordon.
 */
export function canNeverBeMet(budget: BudgetView): boolean {
  return budget.expectedPods > 0 && budget.desiredHealthy >= budget.expectedPods;
}
