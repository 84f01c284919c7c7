/**
 * Where a pod that is moved to a chosen node could go, best first. Pure; it reserves nothing and starts nothing.
 *
 * Requests, taints and node affinity are reckoned with here; what else keeps a pod from a node (CPU, kernel, volumes) its mover knows.
 */
import type { NodeView } from '../cluster/node.ts';
import { isPendingTaint } from '../cluster/pending.ts';
import type { PodView } from '../cluster/pod.ts';
import { isWantedNode } from '../cluster/placement.ts';
import { isTolerated } from '../cluster/scheduling.ts';

interface Places {
  readonly nodes: readonly NodeView[];
  readonly pods: readonly PodView[];
}

/** Pods that are on their way to a node and not there yet, by the node's name. */
export type Arriving = ReadonlyMap<string, readonly PodView[]>;

/**
 * Nodes that have to be rebooted later in a run come last, because a pod that went there would have to move again, and of
 * those the ones that keep their room for large pods; then the ones with the least share of memory taken, and equal ones by name.
 */
export function rankTargets(pod: PodView, view: Places, arriving: Arriving): NodeView[] {
  const onNode = Map.groupBy(view.pods, (other) => other.node);
  const ranked = view.nodes.flatMap((node) => {
    const present = [...(onNode.get(node.name) ?? []), ...(arriving.get(node.name) ?? [])];
    const taken = takenShare(pod, node, present);
    return taken !== undefined && isOpenTo(pod, node) ? [{ node, taken, marks: marksOn(node) }] : [];
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
  const all = [pod, ...present.filter(({ phase }) => phase !== 'Succeeded' && phase !== 'Failed')];
  const { allocatable } = node;
  const sum = (pick: (requests: PodView['requests']) => number): number =>
    all.reduce((total, { requests }) => total + pick(requests), 0);
  const memoryBytes = sum((requests) => requests.memoryBytes);
  const fits =
    memoryBytes <= allocatable.memoryBytes &&
    sum((requests) => requests.cpuMillis) <= allocatable.cpuMillis &&
    all.length <= allocatable.pods;
  return fits ? memoryBytes / Math.max(1, allocatable.memoryBytes) : undefined;
}
