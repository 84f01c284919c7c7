/**
 * The mark on nodes that a run has yet to come to: a taint that schedulers avoid where they can. Pure.
 *
 * It only says what the list of taints shall be; it knows nothing of runs beyond their id.
 */
import { textAt } from './json.ts';
import { pendingTaint } from './node.ts';

/** The taints to write, or `undefined` where nothing is to change. Kubernetes replaces the list as a whole. */
export function withPending(taints: readonly unknown[], runId: string, pending: boolean): unknown[] | undefined {
  const ours = taints.find((taint) => textAt(taint, 'key') === pendingTaint);
  if (pending) {
    // Key and effect may stand there once only; a run that ended without clearing up is followed by this one.
    if (ours && textAt(ours, 'value') === runId) return undefined;
    const mark = { key: pendingTaint, value: runId, effect: 'PreferNoSchedule' };
    return [...taints.filter((taint) => taint !== ours), mark];
  }
  if (!ours || textAt(ours, 'value') !== runId) return undefined;
  return taints.filter((taint) => taint !== ours);
}
