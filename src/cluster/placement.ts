/**
 * Where a pod may run, as far as its spec says so: the filters of the scheduler, as data, and the tests that look at one
 * node alone. Pure. Wishes (`preferred…`, `ScheduleAnyway`) are left out: they never keep a pod from running.
 */
import { matchesSelector, meetsValue, type LabelSelector } from './scheduling.ts';
import type { NodeView } from './node.ts';

export const hostnameLabel = 'kubernetes.io/hostname';
/** On a pod that the built-in mover has had made anew elsewhere; its value is the move. */
export const moveAnnotation = 'pitcrew.dev/move';

/** Without what sent a moved pod to its node: once it is there it may run wherever its template may. */
export function ownSelector(
  nodeSelector: Readonly<Record<string, string>>,
  wasSent: boolean,
): Readonly<Record<string, string>> {
  if (!wasSent || !(hostnameLabel in nodeSelector)) return nodeSelector;
  const { [hostnameLabel]: _sentTo, ...own } = nodeSelector;
  return own;
}

export interface NodeRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  readonly values: readonly string[];
}

/** All requirements of a term have to hold; of several terms one is enough. A term without any matches no node. */
export interface NodeTerm {
  readonly labels: readonly NodeRequirement[];
  /** On fields; Kubernetes knows `metadata.name` alone. */
  readonly fields: readonly NodeRequirement[];
}

/** Other pods to be together with, or apart from. */
export interface PodTerm {
  readonly topologyKey: string;
  readonly selector: LabelSelector;
  /** Neither names nor a selector: the pod's own namespace. */
  readonly namespaces: readonly string[];
  readonly namespaceSelector?: LabelSelector | undefined;
}

/** A hard topology spread constraint (`DoNotSchedule`). */
export interface SpreadRule {
  readonly topologyKey: string;
  readonly maxSkew: number;
  /** With fewer domains than this, the emptiest counts as empty. */
  readonly minDomains: number;
  readonly selector: LabelSelector;
  /** Whether nodes that the pod may not run on are no domains: for its node affinity (default) and its taints. */
  readonly honoursAffinity: boolean;
  readonly honoursTaints: boolean;
}

/** Shared between all pods that say the same, so that 150,000 pods cost no more than their templates. */
export interface PlacementRules {
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** `undefined`: any node. */
  readonly nodeTerms?: readonly NodeTerm[] | undefined;
  readonly together: readonly PodTerm[];
  readonly apart: readonly PodTerm[];
  readonly spread: readonly SpreadRule[];
  /** `TCP 0.0.0.0 8080`: protocol, address, port. */
  readonly hostPorts: readonly string[];
}

export const anywhere: PlacementRules = {
  nodeSelector: {},
  together: [],
  apart: [],
  spread: [],
  hostPorts: [],
};

function meets({ operator, values }: NodeRequirement, value: string | undefined): boolean {
  if (operator !== 'Gt' && operator !== 'Lt') return meetsValue({ operator, values }, value);
  const [limit = ''] = values;
  if (value === undefined || !isInteger(value) || !isInteger(limit)) return false;
  return operator === 'Gt' ? Number(value) > Number(limit) : Number(value) < Number(limit);
}

function isInteger(text: string): boolean {
  return /^[+-]?\d+$/.test(text);
}

type PlacedNode = Pick<NodeView, 'name' | 'labels'>;

/** One of the terms has to match; used for a pod's node affinity and for a volume's. */
export function matchesNodeTerms(terms: readonly NodeTerm[], { name, labels }: PlacedNode): boolean {
  return terms.some((term) => {
    if (term.labels.length + term.fields.length === 0) return false;
    const byFields = term.fields.every((one) => meets(one, one.key === 'metadata.name' ? name : undefined));
    return byFields && term.labels.every((one) => meets(one, labels[one.key]));
  });
}

/** `nodeSelector` and required node affinity together. */
export function isWantedNode(rules: PlacementRules, node: PlacedNode): boolean {
  const { nodeSelector, nodeTerms } = rules;
  for (const key of Object.keys(nodeSelector)) {
    if (node.labels[key] !== nodeSelector[key]) return false;
  }
  return !nodeTerms || matchesNodeTerms(nodeTerms, node);
}

/** Whether a pod is one of those that a term of a pod in `ownNamespace` speaks of. */
export function matchesPodTerm(
  term: PodTerm,
  ownNamespace: string,
  pod: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
  namespaceLabels: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  const { namespaces, namespaceSelector, selector } = term;
  const isOwn = namespaces.length === 0 && namespaceSelector === undefined;
  const isNamed = isOwn ? pod.namespace === ownNamespace : namespaces.includes(pod.namespace);
  const isMeant =
    isNamed || (namespaceSelector !== undefined && matchesSelector(namespaceSelector, namespaceLabels(pod.namespace)));
  return isMeant && matchesSelector(selector, pod.labels);
}

/** Two ports collide on one address, and `0.0.0.0` is every address. */
export function doPortsCollide(one: string, other: string): boolean {
  const [protocol, address, port] = one.split(' ');
  const [otherProtocol, otherAddress, otherPort] = other.split(' ');
  if (protocol !== otherProtocol || port !== otherPort) return false;
  return address === otherAddress || address === '0.0.0.0' || otherAddress === '0.0.0.0';
}
