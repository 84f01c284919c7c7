/**
 * Which nodes carry the mark that a run has yet to come to them, and which shall. Pure.
 *
 * Pods that are moved off one server had better not land on the next one: they would be moved a second time.
 */
import { pendingTaint, type NodeView } from '../cluster/node.ts';
import type { RunState } from '../workflow/run-state.ts';

export interface PendingChange {
  readonly node: string;
  readonly pending: boolean;
}

/** From the start of a run until its servers have ended, one by one; none once the run is over. */
export function pendingChanges(run: RunState, nodes: readonly NodeView[], isOver: boolean): PendingChange[] {
  const { purpose, runId, servers } = run.definition;
  if (purpose !== 'maintenance') return [];
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return servers.flatMap((server) => {
    const node = byName.get(server.node);
    if (!node) return [];
    const isMarked = node.taints.some(({ key, value }) => key === pendingTaint && value === runId);
    const pending = !isOver && run.ends[server.name] === undefined;
    return isMarked === pending ? [] : [{ node: server.node, pending }];
  });
}
