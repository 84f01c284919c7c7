/**
 * What a real server fills in when the writer leaves it out, kind by kind, as far as clients see it. Each function gives
 * a new draft and changes none; running one on its own result changes nothing.
 */
import { isRecord, listAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import type { Draft } from './kinds.ts';

function withSpec(draft: Draft, change: (spec: JsonRecord) => JsonRecord): Draft {
  return { ...draft, spec: change(recordAt(draft, 'spec')) };
}

export function completeNode(draft: Draft): Draft {
  const status = recordAt(draft, 'status');
  return {
    ...draft,
    spec: recordAt(draft, 'spec'),
    status: {
      daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
      ...status,
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: '',
        kernelVersion: '',
        osImage: '',
        containerRuntimeVersion: '',
        kubeletVersion: '',
        kubeProxyVersion: '',
        operatingSystem: '',
        architecture: '',
        ...recordAt(status, 'nodeInfo'),
      },
    },
  };
}

/** A new node is not ready until its kubelet says so, and until then nothing may land on it. */
export function admitNode(draft: Draft): Draft {
  const key = 'node.kubernetes.io/not-ready';
  const taints = listAt(draft.spec, 'taints');
  if (taints.some((taint) => textAt(taint, 'key') === key)) return draft;
  return withSpec(draft, (spec) => ({ ...spec, taints: [...taints, { key, effect: 'NoSchedule' }] }));
}

export function completeNamespace(draft: Draft): Draft {
  const metadata = draft.metadata ?? {};
  const labels = { 'kubernetes.io/metadata.name': textAt(metadata, 'name'), ...recordAt(metadata, 'labels') };
  return {
    ...withSpec(draft, (spec) => ({ finalizers: ['kubernetes'], ...spec })),
    metadata: { ...metadata, labels },
  };
}

/** An image without a tag, or tagged latest, is pulled every time. */
function pullPolicyOf(container: unknown): string {
  const tag = /:([^/@:]+)(?:@.*)?$/.exec(textAt(container, 'image'))?.[1];
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function completeContainer(container: unknown): unknown {
  return {
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: pullPolicyOf(container),
    ...(isRecord(container) ? container : {}),
  };
}

function completePodSpec(spec: JsonRecord): JsonRecord {
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    ...spec,
    containers: listAt(spec, 'containers').map(completeContainer),
    ...(listAt(spec, 'initContainers').length > 0 && {
      initContainers: listAt(spec, 'initContainers').map(completeContainer),
    }),
  };
}

const lostNodeTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** A pod stays five minutes on a node that is lost, unless it says otherwise. */
function completeTolerations(tolerations: readonly unknown[]): readonly unknown[] {
  const isSaid = (key: string): boolean =>
    tolerations.some((toleration) => {
      const effect = textAt(toleration, 'effect');
      const named = textAt(toleration, 'key');
      return (effect === '' || effect === 'NoExecute') && (named === '' || named === key);
    });
  const added = lostNodeTaints
    .filter((key) => !isSaid(key))
    .map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }));
  return added.length === 0 ? tolerations : [...tolerations, ...added];
}

export function completePod(draft: Draft): Draft {
  return withSpec(draft, (spec) => ({
    ...completePodSpec(spec),
    tolerations: completeTolerations(listAt(spec, 'tolerations')),
    priority: spec['priority'] ?? 0,
    enableServiceLinks: spec['enableServiceLinks'] ?? true,
    preemptionPolicy: spec['preemptionPolicy'] ?? 'PreemptLowerPriority',
  }));
}

export function initialPodStatus(draft: Draft): unknown {
  return { phase: 'Pending', qosClass: qosClassOf(draft) };
}

function qosClassOf(draft: Draft): string {
  const resources = listAt(recordAt(draft, 'spec'), 'containers').map((container) => recordAt(container, 'resources'));
  const sizes = ['cpu', 'memory'];
  const isGuaranteed = resources.every((of) =>
    sizes.every((size) => {
      const limit = recordAt(of, 'limits')[size];
      return limit !== undefined && (recordAt(of, 'requests')[size] ?? limit) === limit;
    }),
  );
  if (isGuaranteed) return 'Guaranteed';
  const asksNothing = resources.every((of) => {
    return Object.keys(recordAt(of, 'limits')).length + Object.keys(recordAt(of, 'requests')).length === 0;
  });
  return asksNothing ? 'BestEffort' : 'Burstable';
}

function withTemplate(spec: JsonRecord): JsonRecord {
  const template = recordAt(spec, 'template');
  return { ...spec, template: { ...template, spec: completePodSpec(recordAt(template, 'spec')) } };
}

export function completeDeployment(draft: Draft): Draft {
  return withSpec(draft, (spec) => ({
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    ...withTemplate(spec),
    strategy:
      textAt(recordAt(spec, 'strategy'), 'type') === 'Recreate'
        ? recordAt(spec, 'strategy')
        : {
            type: 'RollingUpdate',
            rollingUpdate: {
              maxUnavailable: '25%',
              maxSurge: '25%',
              ...recordAt(recordAt(spec, 'strategy'), 'rollingUpdate'),
            },
          },
  }));
}

export function completeReplicaSet(draft: Draft): Draft {
  return withSpec(draft, (spec) => ({ replicas: 1, ...withTemplate(spec) }));
}

export function completeStatefulSet(draft: Draft): Draft {
  return withSpec(draft, (spec) => ({
    replicas: 1,
    serviceName: '',
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    ...withTemplate(spec),
  }));
}

export function completeDaemonSet(draft: Draft): Draft {
  return withSpec(draft, (spec) => ({
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    revisionHistoryLimit: 10,
    ...withTemplate(spec),
  }));
}

/** `events.k8s.io` shows the fields of the older kind of event beside its own. */
export function completeEvent(draft: Draft): Draft {
  return { deprecatedSource: {}, deprecatedFirstTimestamp: null, deprecatedLastTimestamp: null, ...draft };
}

function completeMatch(match: JsonRecord): JsonRecord {
  const rules = listAt(match, 'resourceRules').map((rule) => ({ scope: '*', ...(isRecord(rule) ? rule : {}) }));
  return {
    namespaceSelector: {},
    objectSelector: {},
    matchPolicy: 'Equivalent',
    ...match,
    ...(rules.length > 0 && { resourceRules: rules }),
  };
}

export function completeAdmissionPolicy(draft: Draft): Draft {
  return withSpec(draft, (spec) => ({
    failurePolicy: 'Fail',
    ...spec,
    matchConstraints: completeMatch(recordAt(spec, 'matchConstraints')),
  }));
}

export function completeAdmissionPolicyBinding(draft: Draft): Draft {
  return withSpec(draft, (spec) =>
    isRecord(spec['matchResources']) ? { ...spec, matchResources: completeMatch(spec['matchResources']) } : spec,
  );
}
