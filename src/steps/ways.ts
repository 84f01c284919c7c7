/**
 * Which movers carry which way of moving a pod, and which ways that leaves for a pod with what is installed here. Decides
 * nothing else.
 */
import type { PodView } from '../cluster/pod.ts';
import type { MoveOptions } from '../evacuation/move-options.ts';
import { keepsLess, mostKept } from '../evacuation/promises.ts';
import type { ClosedWays } from '../evacuation/verdict.ts';
import type { ClusterView } from '../ports/cluster.ts';
import type { Detection, MoverName, PodMover } from '../ports/movers.ts';
import type { MoveWay } from '../spec/plan.ts';

export type Movers = Readonly<Partial<Record<MoverName, PodMover>>>;

const moversOfWay: Readonly<Record<MoveWay, readonly MoverName[]>> = {
  live: ['kubevirt', 'paguro', 'castai', 'criu'],
  surge: ['surge'],
  evict: ['evict'],
};

/** A virtual machine is moved by the hypervisor's own means or not at all: a copy of its pod is no copy of the machine. */
export function moversFor(way: MoveWay, pod: PodView): readonly MoverName[] {
  const isMachine = pod.owner?.kind === 'VirtualMachineInstance';
  return way === 'live' && isMachine ? ['kubevirt'] : moversOfWay[way];
}

const ways: readonly MoveWay[] = ['live', 'surge', 'evict'];

export function isLiveMover(name: string): boolean {
  return moversOfWay.live.some((mover) => mover === name);
}

export interface ReadyMover {
  readonly mover: PodMover;
  readonly detection: Extract<Detection, { kind: 'ready' }>;
}

/** The movers that the cluster has what they need for, by name. */
export async function detectMovers(movers: Movers, signal: AbortSignal): Promise<ReadonlyMap<MoverName, ReadyMover>> {
  const looked = await Promise.all(
    Object.values(movers).map(async (mover) => ({ mover, detection: await mover.detect(signal) })),
  );
  const ready = new Map<MoverName, ReadyMover>();
  for (const { mover, detection } of looked) {
    if (detection.kind === 'ready') ready.set(mover.name, { mover, detection });
  }
  return ready;
}

/** For the verdict on a pod: the ways that no mover here can go with it, and why not. */
export function closedWays(ready: ReadonlyMap<MoverName, ReadyMover>, view: ClusterView): (pod: PodView) => ClosedWays {
  return (pod) => {
    const closed: Partial<Record<MoveWay, string>> = {};
    let livePromise: string | undefined;
    for (const way of ways) {
      const found = openOrWhyNot(way, ready, pod, view);
      if (typeof found === 'string') closed[way] = found;
      else if (way === 'live') livePromise = found.promise;
    }
    return { ...closed, livePromise };
  };
}

/** The most that a mover keeps who is able, or why none is. */
function openOrWhyNot(
  way: MoveWay,
  ready: ReadonlyMap<MoverName, ReadyMover>,
  pod: PodView,
  view: ClusterView,
): { readonly promise: string } | string {
  const reasons: string[] = [];
  const promises: string[] = [];
  for (const name of moversFor(way, pod)) {
    const mover = ready.get(name)?.mover;
    if (!mover) continue;
    const assessment = mover.assess(pod, view);
    if (assessment.kind === 'able') promises.push(assessment.promise);
    if (assessment.kind === 'unable') reasons.push(`${name}: ${assessment.blockers.join(', ')}`);
  }
  const promise = mostKept(promises);
  if (promise !== undefined) return { promise };
  return reasons.length === 0 ? `no ${way} mover is installed` : reasons.join('; ');
}

/** For those who plan a run; where a live move goes to is not asked yet. */
export function moveOptions(ready: ReadonlyMap<MoverName, ReadyMover>, view: ClusterView): MoveOptions {
  return {
    closedFor: closedWays(ready, view),
    choose: (pod, allowed, liveKeeps) => {
      for (const { way, name } of allowed.flatMap((one) =>
        moversFor(one, pod).map((mover) => ({ way: one, name: mover })),
      )) {
        const assessment = ready.get(name)?.mover.assess(pod, view);
        if (assessment?.kind !== 'able' || (way === 'live' && keepsLess(assessment.promise, liveKeeps))) continue;
        return { way, mover: name, promise: assessment.promise, predictedMs: assessment.predictedMs };
      }
      return undefined;
    },
  };
}
