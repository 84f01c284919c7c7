/** Which movers carry which way of moving a pod, and which ways that leaves where not all are installed. Decides nothing else. */
import type { MoverName, PodMover } from '../ports/movers.ts';
import type { MoveWay } from '../spec/plan.ts';

export const moversOfWay: Readonly<Record<MoveWay, readonly MoverName[]>> = {
  live: ['kubevirt', 'paguro', 'castai', 'criu'],
  surge: ['surge'],
  evict: ['evict'],
};

const ways: readonly MoveWay[] = ['live', 'surge', 'evict'];

export function installedWays(movers: Readonly<Partial<Record<MoverName, PodMover>>>): MoveWay[] {
  return ways.filter((way) => moversOfWay[way].some((name) => movers[name] !== undefined));
}
