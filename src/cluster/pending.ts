/**
 * The marks on nodes that a run has yet to come to: taints that schedulers avoid where they can, two of them more than one.
 * Pure.
 *
 * It only says what the list of taints shall be; it knows nothing of runs beyond their id.
 */
import { textAt } from './json.ts';
import { keepRoomTaint, pendingTaint } from './node.ts';
import type { Taint } from './scheduling.ts';

/** `kept`: its room is wanted for large pods, so it is avoided even more than the other nodes that wait. */
export type PendingMark = 'plain' | 'kept';

const keysOf: Readonly<Record<PendingMark, readonly string[]>> = {
  plain: [pendingTaint],
  kept: [pendingTaint, keepRoomTaint],
};

export function pendingMarkOf({ keepsRoom }: { readonly keepsRoom?: boolean | undefined }): PendingMark {
  return keepsRoom === true ? 'kept' : 'plain';
}

/** The keys of the taints that such a node carries; none where the run does not come to it any more. */
export function pendingKeys(mark: PendingMark | undefined): readonly string[] {
  return mark === undefined ? [] : keysOf[mark];
}

export function isPendingTaint({ key }: Pick<Taint, 'key'>): boolean {
  return keysOf.kept.includes(key);
}

/** The taints to write, or `undefined` where nothing is to change. Kubernetes replaces the list as a whole. */
export function withPending(
  taints: readonly unknown[],
  runId: string,
  mark: PendingMark | undefined,
): unknown[] | undefined {
  const wanted = pendingKeys(mark);
  // Key and effect may stand there once only; a run that ended without clearing up is followed by this one.
  const ours = taints.filter(
    (taint) => keysOf.kept.includes(textAt(taint, 'key')) && (mark !== undefined || textAt(taint, 'value') === runId),
  );
  const isSame =
    ours.length === wanted.length &&
    ours.every((taint) => wanted.includes(textAt(taint, 'key')) && textAt(taint, 'value') === runId);
  if (isSame) return undefined;
  const marks = wanted.map((key) => ({ key, value: runId, effect: 'PreferNoSchedule' }));
  return [...taints.filter((taint) => !ours.includes(taint)), ...marks];
}
