/** What a live move keeps of a pod, compared with what a plan asks for, and in words. Pure; the movers say what they keep. */
import type { LiveKeeps } from '../spec/plan.ts';

/** Best first. */
const ranked: readonly LiveKeeps[] = ['everything', 'in-cluster connections', 'memory'];

export function keepsLess(promise: string, least: LiveKeeps): boolean {
  const rank = ranked.findIndex((candidate) => candidate === promise);
  return rank < 0 || rank > ranked.indexOf(least);
}

/** The best of them. */
export function mostKept(promises: readonly string[]): string | undefined {
  const known = ranked.find((candidate) => promises.includes(candidate));
  return known ?? promises[0];
}

const words: Readonly<Record<string, string>> = {
  everything: 'keeps everything',
  'in-cluster connections': 'keeps its memory and its connections within the cluster',
  memory: 'keeps its memory, gets another address, connections are closed',
};

/** As a part of a sentence about the pod. */
export function promiseInWords(promise: string): string {
  return words[promise] ?? `keeps ${promise}`;
}
