/**
 * Where a pod that is moved to a chosen node could go, best first. Pure; it reserves nothing and starts nothing.
 *
 * Everything that the scheduler would refuse is left out: room, taints, node affinity, and what other pods have to say. What
 * else keeps a pod from a node (CPU features, kernel, volumes) its mover knows.
 */
import type { NodeView } from '../cluster/node.ts';
import { isPendingTaint } from '../cluster/pending.ts';
import type { PodView } from '../cluster/pod.ts';
import { isWantedNode } from '../cluster/placement.ts';
import { isTolerated } from '../cluster/scheduling.ts';
import type { ClusterView } from '../cluster/view.ts';
import { companyRules } from './company.ts';

type Places = Pick<ClusterView, 'nodes' | 'pods' | 'namespaces'>;

/** Pods that are on their way to a node and not there yet, by the node's name. */
export type Arriving = ReadonlyMap<string, readonly PodView[]>;

/**
 * Nodes that have to be rebooted later in a run come last, because a pod that went there would have to move again, and of
 * those the ones that keep their room for large pods; then the ones with the least share of memory taken, and equal ones by name.
 */
export function rankTargets(pod: PodView, view: Places, arriving: Arriving): NodeView[] {
  const there = view.pods.filter(({ node, phase }) => node !== '' && phase !== 'Succeeded' && phase !== 'Failed');
  const coming = [...arriving].flatMap(([node, pods]) => pods.map((other) => ({ ...other, node })));
  const present = [...there, ...coming];
  const onNode = Map.groupBy(present, (other) => other.node);
  const lets = companyRules(pod, present, view);
  const ranked = view.nodes.flatMap((node) => {
    const taken = takenShare(pod, node, onNode.get(node.name) ?? []);
    return taken !== undefined && isOpenTo(pod, node) && lets(node) ? [{ node, taken, marks: marksOn(node) }] : [];
  });
  return ranked
    .sort((a, b) => a.marks - b.marks || a.taken - b.taken || (a.node.name < b.node.name ? -1 : 1))
    .map(({ node }) => node);
}

function marksOn({ taints }: NodeView): number {
  return taints.filter(isPendingTaint).length;
}

function isOpenTo(pod: PodView, node: NodeView): boolean {
  if (node.name === pod.node || !node.ready || node.cordon.kind !== 'none') return false;
  if (!isWantedNode(pod.placement, node)) return false;
  return node.taints.every((taint) => taint.effect === 'PreferNoSchedule' || isTolerated(taint, pod.tolerations));
}

/** The share of the node's memory that is taken with the pod on it; `undefined`: it does not fit. */
function takenShare(pod: PodView, node: NodeView, present: readonly PodView[]): number | undefined {
  const all = [pod, ...present];
  const { allocatable } = node;
  const sum = (pick: (requests: PodView['requests']) => number): number =>
    all.reduce((total, { requests }) => total + pick(requests), 0);
  const memoryBytes = sum((requests) => requests.memoryBytes);
  const hasOthers = Object.keys(pod.requests.others).every(
    (name) => sum(({ others }) => others[name] ?? 0) <= (allocatable.others[name] ?? 0),
  );
  const fits =
    memoryBytes <= allocatable.memoryBytes &&
    sum((requests) => requests.cpuMillis) <= allocatable.cpuMillis &&
    all.length <= allocatable.pods &&
    hasOthers;
  return fits ? memoryBytes / Math.max(1, allocatable.memoryBytes) : undefined;
}
