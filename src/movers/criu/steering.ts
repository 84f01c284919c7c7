/**
 * How the pod that its controller makes anew finds its way: a MutatingAdmissionPolicy for this one move, and the manifest of
 * a pod that nobody makes anew. Pure.
 *
 * Shapes: admissionregistration.k8s.io/v1 (Kubernetes 1.36).
 */
import { isRecord, listAt, recordAt, textAt, textsAt, type JsonRecord } from '../../cluster/json.ts';
import { hostnameLabel, moveAnnotation, ownSelector } from '../../cluster/placement.ts';
import type { ObjectKind } from '../../ports/objects.ts';

export const podsKind: ObjectKind = { group: '', version: 'v1', resource: 'pods' };
const admission = { group: 'admissionregistration.k8s.io', version: 'v1' };
export const policiesKind: ObjectKind = { ...admission, resource: 'mutatingadmissionpolicies' };
export const bindingsKind: ObjectKind = { ...admission, resource: 'mutatingadmissionpolicybindings' };

export const moveLabel = 'pitcrew.dev/steers';

/**
 * By the name under which the servers know their network: by which annotation it hands an address out while the pod that has
 * it still runs. Calico, Kube-OVN and others have annotations for an address, too, and refuse one that is taken: a new pod
 * would not start as long as the old one lives, and that is as long as there is a way back.
 */
const addressAnnotations: Readonly<Record<string, string>> = { 'lab-ipam': 'lab.pitcrew.dev/ip' };

export function keepsAddress(network: string): boolean {
  return Object.hasOwn(addressAnnotations, network);
}

/** The annotations by which a pod asks this network for the address. */
export function askingFor(network: string, address: string): Readonly<Record<string, string>> {
  const annotation = addressAnnotations[network];
  return annotation === undefined ? {} : { [annotation]: address };
}

export interface Steering {
  readonly id: string;
  readonly namespace: string;
  /** Whose new pod is meant: the controller's uid, or the pod's own name where it has that name again. */
  readonly meant: { readonly kind: 'owner'; readonly uid: string } | { readonly kind: 'name'; readonly name: string };
  readonly node: string;
  /** Past the scheduler, onto a node that takes no new pods: only for the way back. */
  readonly isBound: boolean;
  /** Annotations for the network, if there is anything to ask for. */
  readonly asked: Readonly<Record<string, string>>;
}

/** CEL: a text as a literal. JSON's escapes are a part of CEL's. */
function cel(text: string): string {
  return JSON.stringify(text);
}

export function policyOf(steering: Steering): JsonRecord {
  const { id, namespace, meant, node, isBound, asked } = steering;
  const annotations = { [moveAnnotation]: id, ...asked };
  const entries = Object.entries(annotations).map(([key, value]) => `${cel(key)}: ${cel(value)}`);
  const annotate = `Object{metadata: Object.metadata{annotations: {${entries.join(', ')}}}}`;
  const isMeant =
    meant.kind === 'owner'
      ? `has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(o, o.uid == ${cel(meant.uid)})`
      : `has(object.metadata.name) && object.metadata.name in [${cel(meant.name)}, ${cel(probeName(id))}]`;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicy',
    metadata: { name: id, labels: { [moveLabel]: 'true' } },
    spec: {
      // A pod that is not steered would start empty somewhere, and the one that is moved would be lost.
      failurePolicy: 'Fail',
      reinvocationPolicy: 'Never',
      matchConstraints: {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
      },
      matchConditions: [{ name: 'is-meant', expression: isMeant }],
      mutations: [
        { patchType: 'ApplyConfiguration', applyConfiguration: { expression: annotate } },
        { patchType: 'JSONPatch', jsonPatch: { expression: placing(node, isBound) } },
      ],
    },
  };
}

/** The selector is an atomic map, which no ApplyConfiguration may touch: hence patches. */
function placing(node: string, isBound: boolean): string {
  if (isBound) return `[JSONPatch{op: "add", path: "/spec/nodeName", value: ${cel(node)}}]`;
  const one = `[JSONPatch{op: "add", path: "/spec/nodeSelector/${hostnameLabel.replace('/', '~1')}", value: ${cel(node)}}]`;
  const all = `[JSONPatch{op: "add", path: "/spec/nodeSelector", value: {${cel(hostnameLabel)}: ${cel(node)}}}]`;
  return `has(object.spec.nodeSelector) ? ${one} : ${all}`;
}

export function bindingOf({ id }: Steering): JsonRecord {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: id, labels: { [moveLabel]: 'true' } },
    spec: { policyName: id },
  };
}

/** Written by the API server and by controllers, or of the pod that was: a new pod does not bring them along. */
const ownMetadata = new Set([
  'name',
  'generateName',
  'namespace',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
]);

/** Put in by the API server for every pod anew. */
function isInjected(volume: unknown): boolean {
  return textAt(volume, 'name').startsWith('kube-api-access-');
}

function withoutMounts(container: unknown): unknown {
  if (!isRecord(container)) return container;
  return { ...container, volumeMounts: listAt(container, 'volumeMounts').filter((mount) => !isInjected(mount)) };
}

/** The manifest from which this pod can be made once more. */
export function manifestOf(pod: unknown): JsonRecord {
  const metadata = recordAt(pod, 'metadata');
  const spec = recordAt(pod, 'spec');
  const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => ownMetadata.has(key)));
  const { [moveAnnotation]: _move, ...annotations } = recordAt(metadata, 'annotations');
  const { nodeName: _node, nodeSelector: _selector, ...rest } = spec;
  const nodeSelector = ownSelector(textsAt(spec, 'nodeSelector'), moveAnnotation in recordAt(metadata, 'annotations'));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...kept, annotations },
    spec: {
      ...rest,
      ...(Object.keys(nodeSelector).length > 0 && { nodeSelector }),
      containers: listAt(spec, 'containers').map(withoutMounts),
      ...('initContainers' in spec && { initContainers: listAt(spec, 'initContainers').map(withoutMounts) }),
      volumes: listAt(spec, 'volumes').filter((volume) => !isInjected(volume)),
    },
  };
}

/** Never stored: it only shows whether the policy is at work already. A pod of the meant name is still there. */
export function probeOf(pod: unknown, id: string): JsonRecord {
  const manifest = manifestOf(pod);
  return { ...manifest, metadata: { ...recordAt(manifest, 'metadata'), name: probeName(id) } };
}

function probeName(id: string): string {
  return `${id}-probe`;
}

export function isSteered(previewed: unknown, id: string): boolean {
  return recordAt(recordAt(previewed, 'metadata'), 'annotations')[moveAnnotation] === id;
}
