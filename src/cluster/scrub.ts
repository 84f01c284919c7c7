/**
 * What leaves a cluster in a snapshot: of every kind a positive list of fields, enough to plan with and to play the
 * cluster by. Pure.
 *
 * A field that is not named here stays behind: environment, arguments, images, pull secrets, paths on hosts, the last
 * applied configuration, messages. Names, labels and numbers go along.
 */
import { isRecord, type JsonRecord } from './json.ts';

/** `plain`: a text, number or flag. `texts`: a map of such. `empty`: only that it is there. */
type Shape = 'plain' | 'texts' | 'empty' | { readonly each: Shape } | Fields;

interface Fields {
  readonly fields: Readonly<Record<string, Shape>>;
  /** Of every other field that holds an object: that it is there, and no more. */
  readonly others?: 'empty';
}

const plain = (...names: readonly string[]): Record<string, Shape> =>
  Object.fromEntries(names.map((name) => [name, 'plain']));

const selector: Shape = {
  fields: {
    matchLabels: 'texts',
    matchExpressions: { each: { fields: { ...plain('key', 'operator'), values: { each: 'plain' } } } },
  },
};

const nodeTerms: Shape = {
  fields: {
    nodeSelectorTerms: {
      each: {
        fields: {
          matchExpressions: { each: { fields: { ...plain('key', 'operator'), values: { each: 'plain' } } } },
          matchFields: { each: { fields: { ...plain('key', 'operator'), values: { each: 'plain' } } } },
        },
      },
    },
  },
};

const podTerms: Shape = {
  each: {
    fields: {
      ...plain('topologyKey'),
      labelSelector: selector,
      namespaceSelector: selector,
      namespaces: { each: 'plain' },
      matchLabelKeys: { each: 'plain' },
      mismatchLabelKeys: { each: 'plain' },
    },
  },
};

const required = 'requiredDuringSchedulingIgnoredDuringExecution';

/** Only what decides whether and how a pod may be moved, and who cordoned a node. */
const annotations: Shape = {
  fields: plain(
    'cluster-autoscaler.kubernetes.io/safe-to-evict',
    'karpenter.sh/do-not-disrupt',
    'kubernetes.io/config.mirror',
    'lab.pitcrew.dev/completes-after',
    'lab.pitcrew.dev/ready-after',
    'pitcrew.dev/cordon-reason',
    'pitcrew.dev/cordoned-by',
    'pitcrew.dev/move',
  ),
};

const metadata: Shape = {
  fields: {
    ...plain('name', 'namespace', 'uid', 'generation', 'creationTimestamp', 'deletionTimestamp'),
    ...plain('deletionGracePeriodSeconds'),
    labels: 'texts',
    annotations,
    ownerReferences: {
      each: { fields: plain('apiVersion', 'kind', 'name', 'uid', 'controller', 'blockOwnerDeletion') },
    },
  },
};

const conditions: Shape = { each: { fields: plain('type', 'status', 'reason', 'lastTransitionTime') } };

const containers: Shape = {
  each: {
    fields: {
      ...plain('name', 'restartPolicy'),
      resources: { fields: { requests: 'texts', limits: 'texts' } },
      ports: { each: { fields: plain('containerPort', 'hostPort', 'hostIP', 'protocol') } },
    },
  },
};

const claimSpec: Shape = {
  fields: {
    ...plain('storageClassName', 'volumeName', 'volumeMode'),
    accessModes: { each: 'plain' },
    resources: { fields: { requests: 'texts' } },
  },
};

const podSpec: Shape = {
  fields: {
    ...plain('nodeName', 'terminationGracePeriodSeconds', 'priority', 'priorityClassName', 'hostNetwork'),
    ...plain('schedulerName', 'restartPolicy', 'preemptionPolicy'),
    nodeSelector: 'texts',
    overhead: 'texts',
    tolerations: { each: { fields: plain('key', 'operator', 'value', 'effect', 'tolerationSeconds') } },
    affinity: {
      fields: {
        nodeAffinity: { fields: { [required]: nodeTerms } },
        podAffinity: { fields: { [required]: podTerms } },
        podAntiAffinity: { fields: { [required]: podTerms } },
      },
    },
    topologySpreadConstraints: {
      each: {
        fields: {
          ...plain('maxSkew', 'minDomains', 'topologyKey', 'whenUnsatisfiable', 'nodeAffinityPolicy'),
          ...plain('nodeTaintsPolicy'),
          labelSelector: selector,
          matchLabelKeys: { each: 'plain' },
        },
      },
    },
    containers,
    initContainers: containers,
    // Of what kind a volume is decides how its pod may move; where it lies or what it shows does not.
    volumes: {
      each: {
        fields: { ...plain('name'), persistentVolumeClaim: { fields: plain('claimName', 'readOnly') } },
        others: 'empty',
      },
    },
  },
};

const template: Shape = { fields: { metadata: { fields: { labels: 'texts', annotations } }, spec: podSpec } };

const workload = (more: Readonly<Record<string, Shape>> = {}): Fields => ({
  fields: {
    ...plain('apiVersion', 'kind'),
    metadata,
    spec: { fields: { ...plain('replicas', 'minReadySeconds', 'paused'), selector, template, ...more } },
    status: { fields: plain('replicas', 'readyReplicas', 'availableReplicas', 'observedGeneration') },
  },
});

const shapes = {
  nodes: {
    fields: {
      metadata,
      spec: {
        fields: {
          ...plain('unschedulable'),
          taints: { each: { fields: plain('key', 'value', 'effect', 'timeAdded') } },
        },
      },
      status: {
        fields: {
          allocatable: 'texts',
          capacity: 'texts',
          conditions,
          nodeInfo: {
            fields: {
              ...plain('bootID', 'kernelVersion', 'osImage', 'architecture', 'operatingSystem'),
              ...plain('containerRuntimeVersion', 'kubeletVersion'),
            },
          },
          volumesInUse: { each: 'plain' },
        },
      },
    },
  },
  namespaces: { fields: { metadata } },
  pods: {
    fields: {
      metadata,
      spec: podSpec,
      status: {
        fields: {
          ...plain('phase', 'podIP', 'qosClass', 'startTime'),
          conditions,
          containerStatuses: { each: { fields: plain('name', 'ready', 'restartCount', 'started') } },
        },
      },
    },
  },
  budgets: {
    fields: {
      metadata,
      spec: { fields: { ...plain('minAvailable', 'maxUnavailable', 'unhealthyPodEvictionPolicy'), selector } },
      status: {
        fields: {
          ...plain('disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods', 'observedGeneration'),
          disruptedPods: 'texts',
        },
      },
    },
  },
  deployments: workload({ strategy: { fields: { ...plain('type'), rollingUpdate: 'texts' } } }),
  replicaSets: workload(),
  statefulSets: workload({
    ...plain('serviceName', 'podManagementPolicy'),
    updateStrategy: { fields: plain('type') },
    volumeClaimTemplates: { each: { fields: { metadata: { fields: plain('name') }, spec: claimSpec } } },
  }),
  daemonSets: workload({ updateStrategy: { fields: plain('type') } }),
  claims: { fields: { metadata, spec: claimSpec, status: { fields: plain('phase') } } },
  volumes: {
    fields: {
      metadata,
      spec: {
        fields: {
          ...plain('storageClassName', 'volumeMode', 'persistentVolumeReclaimPolicy'),
          accessModes: { each: 'plain' },
          capacity: 'texts',
          claimRef: { fields: plain('namespace', 'name', 'uid') },
          nodeAffinity: { fields: { required: nodeTerms } },
          csi: { fields: plain('driver') },
        },
      },
      status: { fields: plain('phase') },
    },
  },
} as const satisfies Record<string, Fields>;

export type ObjectKind = keyof typeof shapes;
export const objectKinds = Object.keys(shapes) as readonly ObjectKind[];

/** Where the API lists them, over all namespaces. */
export const objectPaths: Readonly<Record<ObjectKind, string>> = {
  nodes: '/api/v1/nodes',
  namespaces: '/api/v1/namespaces',
  pods: '/api/v1/pods',
  budgets: '/apis/policy/v1/poddisruptionbudgets',
  deployments: '/apis/apps/v1/deployments',
  replicaSets: '/apis/apps/v1/replicasets',
  statefulSets: '/apis/apps/v1/statefulsets',
  daemonSets: '/apis/apps/v1/daemonsets',
  claims: '/api/v1/persistentvolumeclaims',
  volumes: '/api/v1/persistentvolumes',
};

/** The objects of a cluster, scrubbed. */
export type ClusterObjects = Readonly<Record<ObjectKind, readonly JsonRecord[]>>;

export function scrub(kind: ObjectKind, object: unknown): JsonRecord {
  const cut = take(shapes[kind], object);
  return isRecord(cut) ? cut : {};
}

/** Old ReplicaSets that only remember what was; there are ten of each Deployment. */
export function isWorthKeeping(kind: ObjectKind, object: JsonRecord): boolean {
  if (kind !== 'replicaSets') return true;
  const { spec, status } = object;
  return !(isRecord(spec) && spec['replicas'] === 0 && isRecord(status) && (status['replicas'] ?? 0) === 0);
}

/** `undefined`: not of the shape that it should have, so nothing of it goes along. */
function take(shape: Shape, value: unknown): unknown {
  if (shape === 'plain') return isPlain(value) ? value : undefined;
  if (shape === 'empty') return isRecord(value) ? {} : undefined;
  if (shape === 'texts') {
    if (!isRecord(value)) return undefined;
    const texts: Record<string, unknown> = {};
    for (const name of Object.keys(value)) if (isPlain(value[name])) texts[name] = value[name];
    return texts;
  }
  if ('each' in shape) {
    if (!Array.isArray(value)) return undefined;
    const items: unknown[] = [];
    for (const item of value as unknown[]) {
      const cut = take(shape.each, item);
      if (cut !== undefined) items.push(cut);
    }
    return items;
  }
  if (!isRecord(value)) return undefined;
  const taken: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const inner = Object.hasOwn(shape.fields, name) ? shape.fields[name] : shape.others;
    const cut = inner === undefined ? undefined : take(inner, value[name]);
    if (cut !== undefined) taken[name] = cut;
  }
  return taken;
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
