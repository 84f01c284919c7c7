/**
 * The API objects that the simulated controllers work with, as far as they look at them. Objects are values: nobody
 * changes one that is stored, a change is a new object that shares what stayed the same.
 */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean | undefined;
  readonly blockOwnerDeletion?: boolean | undefined;
}

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly generateName?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string | null;
  readonly lastHeartbeatTime?: string | null;
  readonly lastProbeTime?: string | null;
  readonly observedGeneration?: number;
}

export interface TaintObject {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

export interface TolerationObject {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
  readonly tolerationSeconds?: number;
}

export interface NodeObject extends ApiObject {
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly TaintObject[] };
  readonly status: {
    readonly capacity?: Readonly<Record<string, string>>;
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly conditions?: readonly Condition[];
    readonly nodeInfo: Readonly<Record<string, string>>;
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly volumesInUse?: readonly string[];
    readonly volumesAttached?: readonly { readonly name: string; readonly devicePath: string }[];
  };
}

interface SelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

interface PodVolumeObject {
  readonly name: string;
  readonly persistentVolumeClaim?: { readonly claimName: string };
}

interface ContainerObject {
  readonly name: string;
  readonly image: string;
}

export interface PodSpec {
  readonly nodeName?: string;
  readonly containers: readonly ContainerObject[];
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly TolerationObject[];
  readonly terminationGracePeriodSeconds?: number;
  readonly volumes?: readonly PodVolumeObject[];
  readonly affinity?: {
    readonly nodeAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: {
        readonly nodeSelectorTerms: readonly {
          readonly matchExpressions?: SelectorObject['matchExpressions'];
          readonly matchFields?: readonly {
            readonly key: string;
            readonly operator: string;
            readonly values: readonly string[];
          }[];
        }[];
      };
    };
    readonly podAntiAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly {
        readonly labelSelector?: SelectorObject;
        readonly topologyKey: string;
      }[];
    };
  };
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly [field: string]: unknown;
}

export interface PodObject extends ApiObject {
  readonly spec: PodSpec;
  readonly status: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly podIP?: string;
    readonly [field: string]: unknown;
  };
}

export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
}

/** Deployment, ReplicaSet, StatefulSet and DaemonSet, as far as they are alike. */
export interface WorkloadObject extends ApiObject {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: SelectorObject;
    readonly template: PodTemplate;
    readonly serviceName?: string;
    readonly podManagementPolicy?: string;
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string }; readonly spec: unknown }[];
    readonly strategy?: { readonly type?: string };
  };
  readonly status: { readonly [field: string]: unknown };
}

export interface BudgetObject extends ApiObject {
  readonly spec: {
    readonly minAvailable?: number | string;
    readonly maxUnavailable?: number | string;
    readonly selector?: SelectorObject;
    readonly unhealthyPodEvictionPolicy?: string;
  };
  readonly status: {
    readonly observedGeneration?: number;
    readonly disruptionsAllowed: number;
    readonly currentHealthy: number;
    readonly desiredHealthy: number;
    readonly expectedPods: number;
    readonly disruptedPods?: Readonly<Record<string, string>>;
    readonly conditions?: readonly Condition[];
  };
}

export function controllerOf(object: ApiObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export function isPodReady(pod: PodObject): boolean {
  return pod.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
}

export function isFinished(pod: PodObject): boolean {
  return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
}

/** Sets one condition; its transition time moves only when its status does. */
export function withCondition(conditions: readonly Condition[] | undefined, next: Condition): readonly Condition[] {
  const before = conditions ?? [];
  const at = before.findIndex((condition) => condition.type === next.type);
  const old = before[at];
  if (!old) return [...before, next];
  const kept = old.status === next.status ? { ...next, lastTransitionTime: old.lastTransitionTime ?? null } : next;
  return before.with(at, kept);
}
