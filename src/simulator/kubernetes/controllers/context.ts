/** What every simulated controller works with, and how long each takes. */
import type { ApiObject } from '../objects.ts';
import type { PodIndex } from '../pod-index.ts';
import type { Registry } from '../registry.ts';
import type { Change, Store } from '../store.ts';
import type { Timers } from '../timers.ts';

export interface ControllerTimes {
  /** How soon a controller looks at what changed. */
  readonly reactionMs: number;
  /** The disruption controller is behind for this long; evictions are judged by what it wrote last. */
  readonly disruptionMs: number;
  readonly scheduleMs: number;
  /** From the system being up to the kubelet reporting. */
  readonly kubeletStartMs: number;
  readonly podStartMs: number;
  readonly podReadyMs: number;
  /** How long a pod takes to end, if its grace period lets it. */
  readonly podStopMs: number;
  /** Without a word from the kubelet for this long, the node is Unknown. */
  readonly nodeGraceMs: number;
  readonly attachMs: number;
  readonly detachMs: number;
  /** A disruption that was charged and never happened is forgotten. */
  readonly disruptionTimeoutMs: number;
}

export const defaultTimes: ControllerTimes = {
  reactionMs: 20,
  disruptionMs: 100,
  scheduleMs: 10,
  kubeletStartMs: 2_000,
  podStartMs: 1_000,
  podReadyMs: 2_000,
  podStopMs: 1_500,
  nodeGraceMs: 40_000,
  attachMs: 500,
  detachMs: 1_500,
  disruptionTimeoutMs: 120_000,
};

export interface Context {
  readonly registry: Registry;
  readonly store: Store;
  readonly timers: Timers;
  readonly times: ControllerTimes;
  readonly pods: PodIndex;
  /** How many pods an owner of a kind that is not played here wants, by uid. */
  readonly scaleOf?: ((uid: string) => number | undefined) | undefined;
}

export interface Controller {
  onChange(change: Change): void;
}

export function keyOf(object: ApiObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

export function splitKey(key: string): [namespace: string, name: string] {
  const at = key.indexOf('/');
  return [key.slice(0, at), key.slice(at + 1)];
}
