/**
 * Which servers of a run keep their room for large pods as long as the run has not come to them. Pure.
 *
 * Schedulers send a pod to the emptiest server. When everything has little room, small pods that are moved off the first
 * servers so take a little of the room of every other one, and then a large pod fits nowhere although the sum would. So the
 * emptier half of the servers is marked once more than the others: what fits elsewhere goes elsewhere.
 * See docs/decisions/0012-marks-of-waiting-servers.md.
 */
import type { ClusterView } from '../cluster/view.ts';
import type { RunServer } from '../workflow/definition.ts';

interface Room {
  readonly name: string;
  readonly place: number;
  readonly bytes: number;
}

/** By the room that they have now; of servers with equal room those that come first, because the others go last. */
export function withKeptRoom(servers: readonly RunServer[], view: Pick<ClusterView, 'nodes' | 'pods'>): RunServer[] {
  const roomOf = freeBytes(view);
  const rooms = servers.map(({ name, node }, place): Room => ({ name, place, bytes: roomOf.get(node) ?? 0 }));
  rooms.sort((a, b) => b.bytes - a.bytes || a.place - b.place);
  const kept = new Set(rooms.slice(0, Math.floor(rooms.length / 2)).map(({ name }) => name));
  return servers.map((server) => (kept.has(server.name) ? { ...server, keepsRoom: true } : server));
}

/** What is free of memory, or of CPU where that is scarcer: so many bytes as go with it in this cluster. */
function freeBytes({ nodes, pods }: Pick<ClusterView, 'nodes' | 'pods'>): Map<string, number> {
  const all = nodes.reduce((sum, { allocatable }) => sum + allocatable.memoryBytes, 0);
  const bytesPerMilli =
    all /
    Math.max(
      1,
      nodes.reduce((sum, { allocatable }) => sum + allocatable.cpuMillis, 0),
    );
  const free = new Map(nodes.map(({ name, allocatable }) => [name, { ...allocatable }]));
  for (const { node, phase, requests } of pods) {
    const left = free.get(node);
    if (!left || phase === 'Succeeded' || phase === 'Failed') continue;
    free.set(node, {
      ...left,
      memoryBytes: left.memoryBytes - requests.memoryBytes,
      cpuMillis: left.cpuMillis - requests.cpuMillis,
    });
  }
  return new Map(
    [...free].map(([name, { memoryBytes, cpuMillis }]) => [name, Math.min(memoryBytes, cpuMillis * bytesPerMilli)]),
  );
}
