/** Finds the two servers of a move, as the cluster and as the inventory know them. */
import type { NodeView } from '../../cluster/node.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { ClusterView } from '../../ports/cluster.ts';
import type { InventoryServer } from '../../spec/inventory.ts';

export function nodeOf(view: ClusterView, name: string): NodeView | undefined {
  return view.nodes.find((node) => node.name === name);
}

/** @throws `cluster/not-found`: halt */
export function serverOf(servers: readonly InventoryServer[], node: string): InventoryServer {
  const server = servers.find((candidate) => candidate.node === node);
  if (server) return server;
  throw new MaintenanceError('cluster/not-found', 'halt', `no server of the inventory is node ${node}`);
}
