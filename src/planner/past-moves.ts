/**
 * What a run has done to pods so far, as far as it binds what may still be done to them: a second move only alive, and
 * at most once. Pure.
 *
 * A restarted pod comes back under another name, so its journal entry does not tell which pod it is now. Whatever is
 * younger than the run's first move counts as moved: that is true of every replacement, and does no harm elsewhere.
 */
import { podKey, type PodView } from '../cluster/pod.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { ServerState } from '../workflow/server-state.ts';

/** The clock of the API server may be so much behind ours. */
const skewMs = 60_000;

export interface PastMoves {
  mayRestart(pod: PodView): boolean;
  mayMoveAlive(pod: PodView): boolean;
  /** The node on which the run found it; `undefined` where it was not moved, or nobody can tell. */
  homeOf(pod: PodView): string | undefined;
}

/** Of a run that has moved nothing. */
export const unmoved: PastMoves = { mayRestart: () => true, mayMoveAlive: () => true, homeOf: () => undefined };

export function pastMoves(run: RunState, servers: readonly ServerState[]): PastMoves {
  const nodeOf = new Map(run.definition.servers.map(({ name, node }) => [name, node]));
  const begun = servers
    .flatMap(({ server, moves }) => Object.values(moves).map((move) => ({ move, node: nodeOf.get(server) ?? '' })))
    .sort((a, b) => a.move.startedMs - b.move.startedMs);
  const times = new Map<string, number>();
  const homes = new Map<string, string>();
  for (const { move, node } of begun.filter((one) => one.move.result === 'done')) {
    const before = times.get(move.pod.uid) ?? times.get(podKey(move.pod)) ?? 0;
    const home = homes.get(move.pod.uid) ?? homes.get(podKey(move.pod)) ?? node;
    // Known again by its name, as a StatefulSet gives it anew, or by what its mover has seen it become.
    for (const key of [podKey(move.pod), move.newUid ?? podKey(move.pod)]) {
      times.set(key, before + 1);
      homes.set(key, home);
    }
  }
  const later = run.rebalance?.moves ?? [];
  const firstMs = Math.min(begun[0]?.move.startedMs ?? Infinity, later[0]?.move.startedMs ?? Infinity);
  const isYoung = ({ createdMs }: PodView): boolean => createdMs === 0 || createdMs >= firstMs - skewMs;
  const timesMoved = (pod: PodView): number => times.get(pod.uid) ?? times.get(podKey(pod)) ?? (isYoung(pod) ? 1 : 0);
  // Also where its move has failed: trying the same again helps nobody.
  const rebalanced = new Set(later.flatMap(({ move }) => [move.pod.uid, podKey(move.pod), move.newUid ?? '']));
  const isThrough = (pod: PodView): boolean => rebalanced.has(pod.uid) || rebalanced.has(podKey(pod));
  return {
    mayRestart: (pod) => !isThrough(pod) && timesMoved(pod) === 0 && !isYoung(pod),
    mayMoveAlive: (pod) => !isThrough(pod) && timesMoved(pod) <= 1,
    homeOf: (pod) => homes.get(pod.uid) ?? homes.get(podKey(pod)),
  };
}
