/**
 * Where pods land while a run goes on: a pod on a server that the run has yet to come to will be moved again, so it may
 * land there only where nothing else was left.
 */
import { parseNode } from '../../src/cluster/parse.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { controllerOf, type PodObject } from '../../src/simulator/kubernetes/objects.ts';
import type { Look } from './checker.ts';
import type { Simulation } from './harness.ts';
import type { Records, RunRecord } from './records.ts';

/** How long a server that has ended may still carry the mark, because Kubernetes was out of reach just then. */
const clearedWithinMs = 60_000;

export function watchPlacement(simulation: Simulation, records: Records, look: Look): void {
  const { store } = simulation.world.api;
  store.subscribe(({ kind, object, previous }) => {
    if (kind !== kinds.pods) return;
    const pod = object as PodObject;
    const node = pod.spec.nodeName;
    const isBound = node !== undefined && previous !== undefined && (previous as PodObject).spec.nodeName === undefined;
    if (!isBound || controllerOf(pod)?.kind === 'DaemonSet') return;
    const run = records.all().at(-1);
    if (run?.definition.purpose !== 'maintenance' || run.ended || run.firstAdmittedMs === undefined) return;
    if (!waits(run, node)) return;
    const others = store.list(kinds.nodes).map((candidate) => parseNode(candidate));
    const better = others.find(({ name, ready, cordon, taints }) => {
      const isOpen = ready && cordon.kind === 'none' && taints.every(({ effect }) => effect === 'PreferNoSchedule');
      return isOpen && isThrough(run, name, simulation.clock.nowMs());
    });
    const text = (): string =>
      `${pod.metadata.name} was placed on ${node}, which comes later, and not on ${better?.name}`;
    look('6 moved once', better === undefined, text);
  });
}

function waits(run: RunRecord, node: string): boolean {
  const server = run.servers.get(node);
  // One that was left out from the beginning is not come to later either.
  const isLeftOut = run.definition.servers.some(({ name, leftOut }) => name === node && leftOut !== undefined);
  return server !== undefined && !isLeftOut && !server.admitted && server.endedAtMs === undefined;
}

function isThrough(run: RunRecord, node: string, nowMs: number): boolean {
  const server = run.servers.get(node);
  if (!server) return true;
  return server.endedAtMs !== undefined && nowMs - server.endedAtMs > clearedWithinMs;
}
