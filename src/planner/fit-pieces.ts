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
  /** At which look it was last seen. */
  seen: number;
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
