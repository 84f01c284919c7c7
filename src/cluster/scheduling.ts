/** Taints, tolerations and label selectors by the rules of Kubernetes. Pure. */

export interface Taint {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: string;
}

export interface Toleration {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
}

export interface SelectorRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[] | undefined;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  readonly matchExpressions?: readonly SelectorRequirement[] | undefined;
}

/** Matches nothing, whatever the labels. */
export const nothingSelector: LabelSelector = {
  matchExpressions: [
    { key: '', operator: 'Exists' },
    { key: '', operator: 'DoesNotExist' },
  ],
};

/** Whether one toleration tolerates one taint (core/v1 `Toleration.ToleratesTaint`). */
function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  // An empty key is only legal with Exists, and then it matches every taint.
  if ((toleration.operator ?? 'Equal') === 'Exists') return true;
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}

export function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  return tolerations.some((toleration) => tolerates(toleration, taint));
}

/** The four operators that label selectors and node affinity share. */
export function meetsValue(
  { operator, values = [] }: Omit<SelectorRequirement, 'key'>,
  value: string | undefined,
): boolean {
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

/** An empty selector matches everything, as in policy/v1 and apps/v1. */
export function matchesSelector(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels, matchExpressions } = selector;
  // Asked of every pod again and again, so without a list of the entries.
  for (const key in matchLabels) if (labels[key] !== matchLabels[key]) return false;
  return !matchExpressions || matchExpressions.every((requirement) => meetsValue(requirement, labels[requirement.key]));
}
