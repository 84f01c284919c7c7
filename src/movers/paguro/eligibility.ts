/**
 * Whether Paguro can move a pod, where to, and what the pod keeps: what its preflight would say, known beforehand. Pure.
 *
 * It cannot see everything (volumes of other drivers, MPTCP sockets): what slips through is refused by Paguro itself before
 * it touches the pod.
 */
import type { PodView } from '../../cluster/pod.ts';
import type { MovePromise } from '../../ports/movers.ts';
import { migratableLabel, type PaguroNode } from './api.ts';

export type PaguroNodes = ReadonlyMap<string, PaguroNode>;

export function blockersOf(pod: PodView, nodes: PaguroNodes, target: string | undefined): string[] {
  const blockers: string[] = [];
  if (pod.labels[migratableLabel] !== 'true') blockers.push(`no label ${migratableLabel}: "true" on it`);
  if (pod.hostNetwork) blockers.push('host network');
  for (const volume of pod.volumes) {
    if (volume.kind === 'hostPath') blockers.push(`hostPath volume ${volume.name}`);
  }
  if (!pod.ready) blockers.push('it is not Ready');
  const source = nodes.get(pod.node);
  blockers.push(...agentBlockers(pod.node, source));
  if (source === undefined || target === undefined) return blockers;
  const there = nodes.get(target);
  blockers.push(...agentBlockers(target, there));
  if (there === undefined) return blockers;
  if (there.release !== source.release) {
    blockers.push(`Paguro ${there.release} on ${target}, ${source.release} on ${pod.node}`);
  }
  const missing = neededFlags(pod, source).filter((flag) => !there.cpuFlags.has(flag));
  if (missing.length > 0) blockers.push(`CPU of ${target} lacks ${missing.slice(0, 3).join(', ')}`);
  return blockers;
}

function agentBlockers(name: string, node: PaguroNode | undefined): string[] {
  if (node === undefined || node.endpoint === '') return [`no Paguro agent on ${name}`];
  return node.isDraining ? [`the Paguro agent on ${name} is shutting down`] : [];
}

/** Only what the pod was allowed to use, where that was narrowed when it was made. */
function neededFlags(pod: PodView, source: PaguroNode): string[] {
  const baseline = pod.annotations['paguro.dev/cpu-baseline'];
  return baseline === undefined ? [...source.cpuFlags] : baseline.split(',').filter((flag) => flag !== '');
}

/** The mode that `network: Auto` leads to: the address kept, else Phantom where every node can, else a new address. */
export function promiseFor(pod: PodView, nodes: PaguroNodes, target: string | undefined): MovePromise {
  const asked = (pod.annotations['paguro.dev/network'] ?? 'auto').toLowerCase();
  const isTranslated = pod.annotations['paguro.dev/tcp'] === 'translate';
  const isSticky = pod.annotations['paguro.dev/sticky-ip'] !== undefined;
  const ends = [nodes.get(pod.node), ...(target === undefined ? [] : [nodes.get(target)])];
  const canKeep = ends.every((node) => node?.movesAddresses === true) && asked !== 'generic' && !isTranslated;
  if (canKeep && asked !== 'phantom') return 'everything';
  const agents = [...nodes.values()].filter((node) => node.endpoint !== '');
  const canTranslate = asked !== 'generic' && !isSticky && agents.every((node) => node.hasPhantom);
  return canTranslate ? 'in-cluster connections' : 'memory';
}
