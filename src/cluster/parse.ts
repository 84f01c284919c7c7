/**
 * API objects of unknown shape into the views that decisions are made from. Pure.
 *
 * It never refuses an object: a field that is missing reads as empty, because an API server leaves out what is empty.
 */
import { flagAt, listAt, numberAt, optionalTextAt, recordAt, textAt, textsAt, timeAt, isRecord } from './json.ts';
import type { JsonRecord } from './json.ts';
import { moveAnnotation } from './placement.ts';
import { parsePlacement, parseSelector, parseTolerations } from './parse-placement.ts';
import { isSidecar, parseRequests, parseResources } from './parse-requests.ts';
import { cordonOf } from './cordon.ts';
import type { NodeView } from './node.ts';
import type { PodOwner, PodPhase, PodView, PodVolume, VolumeKind } from './pod.ts';
import { memoryBytesOf } from './quantity.ts';
import type { BudgetView } from './budget.ts';
import type { Taint } from './scheduling.ts';

export function parseNode(object: unknown): NodeView {
  const metadata = recordAt(object, 'metadata');
  const status = recordAt(object, 'status');
  const info = recordAt(status, 'nodeInfo');
  const { pods = 0, ...allocatable } = recordAt(status, 'allocatable');
  return {
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
    labels: textsAt(metadata, 'labels'),
    cordon: cordonOf(object),
    ready: hasCondition(status, 'Ready'),
    bootId: textAt(info, 'bootID'),
    kernelVersion: textAt(info, 'kernelVersion'),
    internalAddress: internalAddressOf(status),
    taints: listAt(recordAt(object, 'spec'), 'taints').map(parseTaint),
    allocatable: { ...parseResources(allocatable), pods: memoryBytesOf(pods) },
    volumesInUse: listAt(status, 'volumesInUse').filter((name): name is string => typeof name === 'string'),
  };
}

function internalAddressOf(status: unknown): string | undefined {
  const found = listAt(status, 'addresses').find((address) => textAt(address, 'type') === 'InternalIP');
  return optionalTextAt(found, 'address');
}

function hasCondition(status: unknown, type: string): boolean {
  return listAt(status, 'conditions').some(
    (condition) => textAt(condition, 'type') === type && textAt(condition, 'status') === 'True',
  );
}

function parseTaint(taint: unknown): Taint {
  return { key: textAt(taint, 'key'), value: optionalTextAt(taint, 'value'), effect: textAt(taint, 'effect') };
}

const phases: ReadonlySet<string> = new Set<PodPhase>(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']);

/** `status.podIP` and `status.podIPs`, the only ways in which a pod is told its address. */
function parseAddressVariables(container: unknown): string[] {
  return listAt(container, 'env')
    .filter((entry) =>
      /^status\.podIPs?$/.test(textAt(recordAt(recordAt(entry, 'valueFrom'), 'fieldRef'), 'fieldPath')),
    )
    .map((entry) => `${textAt(entry, 'name')} of ${textAt(container, 'name')}`);
}

export function parsePod(object: unknown): PodView {
  const metadata = recordAt(object, 'metadata');
  const spec = recordAt(object, 'spec');
  const status = recordAt(object, 'status');
  const name = textAt(metadata, 'name');
  const phase = textAt(status, 'phase') || 'Pending';
  const labels = textsAt(metadata, 'labels');
  const annotations = textsAt(metadata, 'annotations');
  return {
    namespace: textAt(metadata, 'namespace'),
    name,
    uid: textAt(metadata, 'uid'),
    phase: phases.has(phase) ? (phase as PodPhase) : 'Unknown',
    ready: hasCondition(status, 'Ready'),
    leaving: textAt(metadata, 'deletionTimestamp') !== '',
    labels,
    annotations,
    owner: parseOwner(metadata),
    createdMs: timeAt(metadata, 'creationTimestamp'),
    ip: textAt(status, 'podIP'),
    ...wantsOnce(spec, { name, labels, wasSent: textAt(spec, 'nodeName') !== '' && moveAnnotation in annotations }),
  };
}

/** What a pod's spec says. */
type Wants = Pick<
  PodView,
  | 'node'
  | 'volumes'
  | 'tolerations'
  | 'hostNetwork'
  | 'gracePeriodSeconds'
  | 'priority'
  | 'requests'
  | 'placement'
  | 'addressVariables'
  | 'sidecars'
>;

/** What else it takes to read them. */
interface Whose {
  readonly name: string;
  readonly labels: PodView['labels'];
  readonly wasSent: boolean;
}

/** Objects are values: where the versions of a pod share their spec, it is read once. */
const knownWants = new WeakMap<JsonRecord, Whose & { readonly wants: Wants }>();

function wantsOnce(spec: JsonRecord, whose: Whose): Wants {
  const known = knownWants.get(spec);
  const { name, labels, wasSent } = whose;
  if (known && known.name === name && known.labels === labels && known.wasSent === wasSent) return known.wants;
  const wants = wantsOf(spec, whose);
  knownWants.set(spec, { ...whose, wants });
  return wants;
}

function wantsOf(spec: JsonRecord, { name, labels, wasSent }: Whose): Wants {
  return {
    node: textAt(spec, 'nodeName'),
    volumes: listAt(spec, 'volumes').map((volume) => parseVolume(volume, name)),
    tolerations: parseTolerations(listAt(spec, 'tolerations')),
    hostNetwork: flagAt(spec, 'hostNetwork'),
    gracePeriodSeconds: numberAt(spec, 'terminationGracePeriodSeconds', 30),
    priority: numberAt(spec, 'priority'),
    requests: parseRequests(spec),
    placement: parsePlacement(spec, labels, wasSent),
    addressVariables: listAt(spec, 'containers').flatMap(parseAddressVariables),
    sidecars: listAt(spec, 'initContainers')
      .filter(isSidecar)
      .map((container) => textAt(container, 'name')),
  };
}

function parseOwner(metadata: unknown): PodOwner | undefined {
  const reference = listAt(metadata, 'ownerReferences').find((owner) => flagAt(owner, 'controller'));
  if (reference === undefined) return undefined;
  return { kind: textAt(reference, 'kind'), name: textAt(reference, 'name'), uid: textAt(reference, 'uid') };
}

const volumeKinds: Readonly<Record<string, VolumeKind>> = {
  emptyDir: 'emptyDir',
  hostPath: 'hostPath',
  persistentVolumeClaim: 'persistentVolumeClaim',
  ephemeral: 'persistentVolumeClaim',
  configMap: 'configuration',
  secret: 'configuration',
  downwardAPI: 'configuration',
  projected: 'configuration',
};

function parseVolume(volume: unknown, podName: string): PodVolume {
  const name = textAt(volume, 'name');
  const source = isRecord(volume)
    ? Object.keys(volume).find((key) => key !== 'name' && isRecord(volume[key]))
    : undefined;
  const kind = volumeKinds[source ?? ''] ?? 'other';
  if (kind !== 'persistentVolumeClaim') return { name, kind };
  // A generic ephemeral volume has a claim of its own, named after the pod and the volume.
  const claim = textAt(recordAt(volume, 'persistentVolumeClaim'), 'claimName') || `${podName}-${name}`;
  return { name, kind, claim };
}

export function parseBudget(object: unknown): BudgetView {
  const metadata = recordAt(object, 'metadata');
  const spec = recordAt(object, 'spec');
  const status = recordAt(object, 'status');
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    selector: parseSelector(spec['selector']),
    disruptionsAllowed: numberAt(status, 'disruptionsAllowed'),
    currentHealthy: numberAt(status, 'currentHealthy'),
    desiredHealthy: numberAt(status, 'desiredHealthy'),
    expectedPods: numberAt(status, 'expectedPods'),
    asks: asksOf(spec),
    unhealthyPodEvictionPolicy:
      textAt(spec, 'unhealthyPodEvictionPolicy') === 'AlwaysAllow' ? 'AlwaysAllow' : 'IfHealthyBudget',
  };
}

function asksOf(spec: unknown): string {
  if (!isRecord(spec)) return '';
  for (const field of ['minAvailable', 'maxUnavailable']) {
    const value = spec[field];
    if (typeof value === 'number' || typeof value === 'string') return `${field} ${value}`;
  }
  return '';
}
