/** The pods of the capacity model, as single pieces: which of them need a place, and which of them first. It moves nothing. */
import type { PodView } from '../cluster/pod.ts';
import type { PodClass } from './fit-classes.ts';

/** A pod in the model. */
export interface Piece {
  readonly pod: PodView;
  readonly size: number;
  readonly one: PodClass;
  /** Place of its node, `-1`: none. */
  at: number;
  /** Whether it has to go when its node is emptied; asked when it first matters, for it costs time. */
  leaves: boolean | undefined;
}

/** What has ended, or is on its way out, needs no place; its replacement is a pod of its own. */
export function needsPlace({ leaving, phase }: PodView): boolean {
  return !leaving && phase !== 'Succeeded' && phase !== 'Failed';
}

/** High priority first, then large before small, then by name: the same order for the same pods. */
export function byWeight({ pod: a, size }: Piece, { pod: b, size: other }: Piece): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (size !== other) return other - size;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** One core weighs as much as 4 GiB, about what servers have of both. */
export function sizeOf({ requests }: PodView): number {
  return requests.cpuMillis * 4.3e6 + requests.memoryBytes;
}

/** How far one list may be ahead of the other before both are taken to differ at this place. */
const aheadMax = 8;

/**
 * What one list has and the other has not, objects being compared as such. Lists that follow each other are alike but for
 * some places, so they are walked through side by side; where they are not, it takes longer and the answer is the same.
 */
export function differences<T extends object>(
  before: readonly T[],
  now: readonly T[],
): { gone: Set<T>; fresh: Set<T> } {
  const gone = new Set<T>();
  const fresh = new Set<T>();
  let at = 0;
  let next = 0;
  while (at < before.length || next < now.length) {
    const [old, young] = [before[at], now[next]];
    const isInserted = old !== young && isAhead(now, next, old);
    const isRemoved = old !== young && !isInserted && isAhead(before, at, young);
    if (old !== young && !isInserted && old) gone.add(old);
    if (old !== young && !isRemoved && young) fresh.add(young);
    if (!isInserted) at += 1;
    if (!isRemoved) next += 1;
  }
  // What has only moved within the list is in both.
  for (const one of gone) if (fresh.delete(one)) gone.delete(one);
  return { gone, fresh };
}

function isAhead<T extends object>(list: readonly T[], from: number, one: T | undefined): boolean {
  if (one === undefined) return false;
  for (let step = 1; step <= aheadMax; step += 1) if (list[from + step] === one) return true;
  return false;
}
