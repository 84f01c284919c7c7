/** A pod as Pitcrew looks at it. Parsed from the API object; decides nothing. */
import type { PlacementRules } from './placement.ts';
import type { Resources } from './resources.ts';
import type { Toleration } from './scheduling.ts';

/** Names one incarnation of a pod. A StatefulSet's replacement has the same name and another uid, so the uid always goes along. */
export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';

export type VolumeKind = 'emptyDir' | 'hostPath' | 'persistentVolumeClaim' | 'configuration' | 'other';

export interface PodVolume {
  readonly name: string;
  readonly kind: VolumeKind;
  /** The claim's name, for `persistentVolumeClaim`. */
  readonly claim?: string | undefined;
}

export interface PodOwner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface PodView extends PodRef {
  /** Empty while the pod is not bound to a node. */
  readonly node: string;
  readonly phase: PodPhase;
  readonly ready: boolean;
  /** A deletion timestamp is set: the pod is on its way out. */
  readonly leaving: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The controller (`ownerReferences[].controller`), if there is one. */
  readonly owner?: PodOwner | undefined;
  readonly volumes: readonly PodVolume[];
  readonly tolerations: readonly Toleration[];
  readonly hostNetwork: boolean;
  readonly gracePeriodSeconds: number;
  readonly priority: number;
  /** When the API server made it; 0 where it does not say. */
  readonly createdMs: number;
  /** What the scheduler reckons with. */
  readonly requests: Resources;
  /** On which nodes, beside which pods. */
  readonly placement: PlacementRules;
  readonly ip: string;
  /** Which variables of its environment hold its address (`status.podIP`), as `POD_IP of app`: they never change while it runs. */
  readonly addressVariables: readonly string[];
  /** Init containers that run on beside the others. */
  readonly sidecars: readonly string[];
}

export function podKey(pod: { namespace: string; name: string }): string {
  return `${pod.namespace}/${pod.name}`;
}
