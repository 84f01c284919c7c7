/**
 * Which nodes carry the marks that a run has yet to come to them, and which shall. Pure.
 *
 * Pods that are moved off one server had better not land on the next one: they would be moved a second time.
 */
import type { NodeView } from '../cluster/node.ts';
import { pendingMarkOf, withPending, type PendingMark } from '../cluster/pending.ts';
import type { RunState } from '../workflow/run-state.ts';

export interface PendingChange {
  readonly node: string;
  /** `undefined`: none from now on. */
  readonly mark: PendingMark | undefined;
}

/** From the start of a run until its servers have ended, one by one; none once the run is over. */
export function pendingChanges(run: RunState, nodes: readonly NodeView[], isOver: boolean): PendingChange[] {
  const { purpose, runId, servers } = run.definition;
  if (purpose !== 'maintenance') return [];
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return servers.flatMap((server) => {
    const { name, node } = server;
    const mark = isOver || run.ends[name] !== undefined ? undefined : pendingMarkOf(server);
    const taints = byName.get(node)?.taints;
    return taints && withPending(taints, runId, mark) ? [{ node, mark }] : [];
  });
}
