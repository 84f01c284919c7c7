/**
 * Whether a pod may run on a node, asked of the two alone. Pure.
 *
 * What depends on other pods or on volumes is not judged here: such a pod counts as one that may run nowhere else.
 */
import type { NodeView } from '../cluster/node.ts';
import { isWantedNode } from '../cluster/placement.ts';
import type { PodView } from '../cluster/pod.ts';
import { isTolerated } from '../cluster/scheduling.ts';

export function canRunAlone(pod: PodView, node: NodeView): boolean {
  const { placement, volumes, requests, tolerations } = pod;
  const { apart, together, spread, hostPorts } = placement;
  if (apart.length + together.length + spread.length + hostPorts.length > 0) return false;
  if (volumes.some(({ kind }) => kind === 'persistentVolumeClaim') || Object.keys(requests.others).length > 0)
    return false;
  const forbids = node.taints.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, tolerations));
  return !forbids && isWantedNode(placement, node);
}
