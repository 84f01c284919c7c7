/** A Kubernetes node as Pitcrew looks at it. Parsed from the API object; decides nothing. */
import type { Resources } from './resources.ts';
import type { Taint } from './scheduling.ts';

/** Annotations that Pitcrew writes on a node it has cordoned. Only a node that carries our run is ever uncordoned by us. */
export const ownerAnnotation = 'pitcrew.dev/cordoned-by';
export const reasonAnnotation = 'pitcrew.dev/cordon-reason';
/** Key of the `PreferNoSchedule` taint on nodes that a run has yet to come to; its value is the run. */
export const pendingTaint = 'pitcrew.dev/maintenance-pending';
/** Of a second one beside it on those that keep their room for large pods: a scheduler counts how many there are. */
export const keepRoomTaint = 'pitcrew.dev/keep-room';

/** Who cordoned a node. `unknown` is somebody who left no name: it is respected like any other. */
export type Cordon =
  | { readonly kind: 'none' }
  | { readonly kind: 'ours'; readonly runId: string; readonly reason: string }
  | { readonly kind: 'foreign' };

export interface NodeView {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly cordon: Cordon;
  readonly ready: boolean;
  /** `status.nodeInfo.bootID`; empty until a kubelet has reported. */
  readonly bootId: string;
  readonly kernelVersion: string;
  /** `status.addresses` of type InternalIP: where the other nodes reach it. */
  readonly internalAddress?: string | undefined;
  readonly taints: readonly Taint[];
  /** What pods may use. */
  readonly allocatable: Resources & { readonly pods: number };
  /** Volumes that the kubelet says are still in use, by unique volume name. */
  readonly volumesInUse: readonly string[];
}
