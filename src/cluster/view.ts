/** Everything of a cluster that decisions are made from. Pure; where it comes from is the adapters' business. */
import type { BudgetView } from './budget.ts';
import { recordAt, textAt, textsAt } from './json.ts';
import type { NodeView } from './node.ts';
import type { PodView } from './pod.ts';
import type { ClaimView, VolumeView } from './storage.ts';

export interface NamespaceView {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** One consistent-enough look, kept fresh by watches. */
export interface ClusterView {
  readonly nodes: readonly NodeView[];
  readonly pods: readonly PodView[];
  readonly budgets: readonly BudgetView[];
  readonly claims: readonly ClaimView[];
  readonly volumes: readonly VolumeView[];
  readonly namespaces: readonly NamespaceView[];
}

export function parseNamespace(object: unknown): NamespaceView {
  const metadata = recordAt(object, 'metadata');
  return { name: textAt(metadata, 'name'), labels: textsAt(metadata, 'labels') };
}
