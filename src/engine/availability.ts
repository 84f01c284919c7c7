/** Which targets are out of service, and whether one more may be by the budget. Pure. */
import type { NodeView } from '../cluster/node.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import type { Hold } from '../workflow/hold.ts';
import type { RunState } from '../workflow/run-state.ts';

/** Targets whose node is missing, not Ready or cordoned by anybody, whatever the reason. */
export function downServers(definition: RunDefinition, nodes: readonly NodeView[]): Set<string> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const down = definition.servers.filter((server) => {
    const node = byName.get(server.node);
    return !node?.ready || node.cordon.kind !== 'none';
  });
  return new Set(down.map((server) => server.name));
}

/** The check just before a cordon: with this server, would more be unavailable than the budget allows? */
export function budgetHold(run: RunState, server: string, down: ReadonlySet<string>): Hold | undefined {
  if (run.definition.purpose !== 'maintenance' || down.has(server)) return undefined;
  // A place that was given out counts although its server may still be in service: its owner may cordon any moment.
  const unavailable = new Set([...run.admitted, ...down, server]);
  if (unavailable.size <= run.definition.maxUnavailable) return undefined;
  const others = [...unavailable].filter((name) => name !== server).sort();
  return {
    kind: 'waiting',
    for: 'budget',
    text: `${others.join(', ')} unavailable, at most ${run.definition.maxUnavailable} may be`,
  };
}
