/** Which servers of the inventory a plan means. By the rules of Kubernetes selectors, on the inventory's labels. */
import type { MaintenancePlan } from './plan.ts';

export type Targets = MaintenancePlan['spec']['targets'];
type Labels = Readonly<Record<string, string>>;
type Requirement = NonNullable<Targets['matchExpressions']>[number];

function meets({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

export function isTarget(targets: Targets, server: { readonly name: string; readonly labels: Labels }): boolean {
  const { matchLabels = {}, matchExpressions = [], exclude = [] } = targets;
  if (exclude.includes(server.name)) return false;
  const byLabels = Object.entries(matchLabels).every(
    ([key, value]) => Object.hasOwn(server.labels, key) && server.labels[key] === value,
  );
  return byLabels && matchExpressions.every((requirement) => meets(requirement, server.labels));
}
