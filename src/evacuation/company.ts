/**
 * Whether the other pods let a pod onto a node: required affinity and anti-affinity, hard topology spread, host ports. Pure.
 *
 * For one pod that is sent to a chosen node, whose scheduler would refuse it there otherwise. It is looked up pod by pod; the
 * planner's model of the same rules (`fit-classes.ts`) is for whole fleets. The pod itself counts where it is, for a live
 * move makes its new pod beside the old one.
 */
import type { NodeView } from '../cluster/node.ts';
import {
  doPortsCollide,
  isWantedNode,
  matchesPodTerm,
  type PlacementRules,
  type PodTerm,
  type SpreadRule,
} from '../cluster/placement.ts';
import type { PodView } from '../cluster/pod.ts';
import { isTolerated, matchesSelector } from '../cluster/scheduling.ts';
import type { ClusterView } from '../cluster/view.ts';

type Lets = (node: NodeView) => boolean;

/** Another pod, where it is or is going to be. */
type Present = Pick<PodView, 'namespace' | 'labels' | 'leaving' | 'placement' | 'node'>;

type World = Pick<ClusterView, 'nodes' | 'namespaces'>;

/** `present`: all pods that have a node and have not ended, and those on their way to one. */
export function companyRules(pod: PodView, present: readonly Present[], world: World): Lets {
  const labelsOf = new Map(world.namespaces.map(({ name, labels }) => [name, labels]));
  const nodes = new Map(world.nodes.map((node) => [node.name, node]));
  const domainOf = ({ node }: Present, key: string): string | undefined => nodes.get(node)?.labels[key];
  const isMeant = (term: PodTerm, by: Present, other: Present): boolean =>
    matchesPodTerm(term, by.namespace, other, (name) => labelsOf.get(name) ?? {});
  const domains = (term: PodTerm): Set<string> =>
    new Set(present.flatMap((other) => (isMeant(term, pod, other) ? (domainOf(other, term.topologyKey) ?? []) : [])));

  const { apart, together, spread, hostPorts } = pod.placement;
  const rules: Lets[] = [
    ...apart.map((term) => isOutside(term, domains(term))),
    ...together.map((term) => {
      const near = domains(term);
      // Where there are none of them yet, the first one may be anywhere.
      return near.size === 0 && isMeant(term, pod, pod) ? () => true : isInside(term, near);
    }),
    ...present.flatMap((other) =>
      other.placement.apart
        .filter((term) => isMeant(term, other, pod))
        .map((term) => isOutside(term, new Set([domainOf(other, term.topologyKey) ?? '']))),
    ),
    ...spread.map((rule) => spreadRule(rule, pod, present, world.nodes)),
  ];
  if (hostPorts.length > 0) rules.push(portRule(hostPorts, present));
  return (node) => rules.every((lets) => lets(node));
}

/** A node without the label is in nobody's domain. */
function isOutside({ topologyKey }: PodTerm, domains: ReadonlySet<string>): Lets {
  return ({ labels }) => labels[topologyKey] === undefined || !domains.has(labels[topologyKey]);
}

function isInside({ topologyKey }: PodTerm, domains: ReadonlySet<string>): Lets {
  return ({ labels }) => domains.has(labels[topologyKey] ?? '');
}

function spreadRule(rule: SpreadRule, pod: PodView, present: readonly Present[], nodes: readonly NodeView[]): Lets {
  const { topologyKey, selector, maxSkew, minDomains } = rule;
  const counted = new Map(nodes.filter((node) => isEligible(rule, pod, node)).map((node) => [node.name, node]));
  const counts = new Map<string, number>();
  for (const { labels } of counted.values()) {
    const domain = labels[topologyKey];
    if (domain !== undefined) counts.set(domain, 0);
  }
  for (const { node, namespace, labels, leaving } of present) {
    const domain = counted.get(node)?.labels[topologyKey];
    const isCounted = !leaving && namespace === pod.namespace && matchesSelector(selector, labels);
    if (domain !== undefined && isCounted) counts.set(domain, (counts.get(domain) ?? 0) + 1);
  }
  const lowest = counts.size < minDomains ? 0 : Math.min(...counts.values());
  const own = matchesSelector(selector, pod.labels) ? 1 : 0;
  return ({ labels }) => {
    const domain = labels[topologyKey];
    return domain !== undefined && (counts.get(domain) ?? 0) + own - lowest <= maxSkew;
  };
}

/** Whether a node counts as part of its domain at all. */
function isEligible({ honoursAffinity, honoursTaints }: SpreadRule, pod: PodView, node: NodeView): boolean {
  if (honoursAffinity && !isWantedNode(pod.placement, node)) return false;
  const isTaken = (taint: NodeView['taints'][number]): boolean =>
    taint.effect === 'PreferNoSchedule' || isTolerated(taint, pod.tolerations);
  return !honoursTaints || node.taints.every(isTaken);
}

function portRule(wanted: PlacementRules['hostPorts'], present: readonly Present[]): Lets {
  const onNode = Map.groupBy(present, ({ node }) => node);
  return ({ name }) => {
    const taken = (onNode.get(name) ?? []).flatMap(({ placement }) => placement.hostPorts);
    return !wanted.some((port) => taken.some((other) => doPortsCollide(port, other)));
  };
}
