/**
 * The table of the kinds that are served. A kind is data: adding a custom resource is adding a line at run time.
 * It decides nothing; what a kind needs beyond the common ways of all kinds is named by its line.
 */
import type { ApiObject, BudgetObject, NodeObject, PodObject, PodSpec, WorkloadObject } from './objects.ts';
import { flagAt, textAt } from '../../cluster/json.ts';
import * as defaults from './defaults.ts';

const standardVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;

/** What a request body looks like before the server has filled in the rest. */
export interface Draft {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly [field: string]: unknown };
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly [field: string]: unknown;
}

/** `T` is the shape of the kind's objects, for the compiler alone. */
export interface Kind<T extends ApiObject = ApiObject> {
  readonly shape?: T;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** `status` is written only through its subresource. */
  readonly hasStatus: boolean;
  /** `metadata.generation` counts changes of the spec. */
  readonly hasGeneration: boolean;
  /** Custom resources know no strategic merge patch. */
  readonly isCustom: boolean;
  readonly subresources: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly storageVersionHash?: string;
  readonly verbs: readonly string[];
  /** Fills in what the writer left out, on create and on update. */
  readonly complete?: (draft: Draft) => Draft;
  /** Like `complete`, on create alone. */
  readonly admit?: (draft: Draft) => Draft;
  /** The status that a new object starts with, whatever the writer said. */
  readonly initialStatus?: (draft: Draft) => unknown;
  /** Fields of `spec` that `fieldValidation=Strict` knows; none: everything is let through. */
  readonly specFields?: ReadonlySet<string>;
}

type KindLine = Pick<Kind, 'group' | 'resource' | 'kind'> & Partial<Omit<Kind, 'shape'>>;

export function defineKind<T extends ApiObject = ApiObject>(line: KindLine): Kind<T> {
  return {
    version: 'v1',
    singular: line.kind.toLowerCase(),
    namespaced: true,
    hasStatus: false,
    hasGeneration: false,
    isCustom: false,
    subresources: line.hasStatus === true ? ['status'] : [],
    verbs: standardVerbs,
    ...line,
  };
}

export function apiVersionOf(kind: Kind): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

const workload = { group: 'apps', hasStatus: true, hasGeneration: true, categories: ['all'] } as const;

export const kinds = {
  nodes: defineKind<NodeObject>({
    group: '',
    resource: 'nodes',
    kind: 'Node',
    namespaced: false,
    hasStatus: true,
    shortNames: ['no'],
    admit: defaults.admitNode,
    complete: defaults.completeNode,
    specFields: new Set(['podCIDR', 'podCIDRs', 'providerID', 'taints', 'configSource', 'unschedulable', 'externalID']),
  }),
  namespaces: defineKind({
    group: '',
    resource: 'namespaces',
    kind: 'Namespace',
    namespaced: false,
    hasStatus: true,
    shortNames: ['ns'],
    complete: defaults.completeNamespace,
    initialStatus: () => ({ phase: 'Active' }),
    specFields: new Set(['finalizers']),
  }),
  pods: defineKind<PodObject>({
    group: '',
    resource: 'pods',
    kind: 'Pod',
    hasStatus: true,
    hasGeneration: true,
    subresources: ['status', 'eviction', 'binding'],
    shortNames: ['po'],
    categories: ['all'],
    complete: defaults.completePod,
    initialStatus: defaults.initialPodStatus,
  }),
  serviceAccounts: defineKind({ group: '', resource: 'serviceaccounts', kind: 'ServiceAccount', shortNames: ['sa'] }),
  persistentVolumeClaims: defineKind({
    group: '',
    resource: 'persistentvolumeclaims',
    kind: 'PersistentVolumeClaim',
    hasStatus: true,
    shortNames: ['pvc'],
    initialStatus: () => ({ phase: 'Pending' }),
  }),
  persistentVolumes: defineKind({
    group: '',
    resource: 'persistentvolumes',
    kind: 'PersistentVolume',
    namespaced: false,
    hasStatus: true,
    shortNames: ['pv'],
    initialStatus: () => ({ phase: 'Pending' }),
  }),
  deployments: defineKind<WorkloadObject>({
    ...workload,
    resource: 'deployments',
    kind: 'Deployment',
    shortNames: ['deploy'],
    complete: defaults.completeDeployment,
    initialStatus: () => ({}),
  }),
  replicaSets: defineKind<WorkloadObject>({
    ...workload,
    resource: 'replicasets',
    kind: 'ReplicaSet',
    shortNames: ['rs'],
    complete: defaults.completeReplicaSet,
    initialStatus: () => ({ replicas: 0 }),
  }),
  statefulSets: defineKind<WorkloadObject>({
    ...workload,
    resource: 'statefulsets',
    kind: 'StatefulSet',
    shortNames: ['sts'],
    complete: defaults.completeStatefulSet,
    initialStatus: () => ({ replicas: 0, availableReplicas: 0 }),
  }),
  daemonSets: defineKind<WorkloadObject>({
    ...workload,
    resource: 'daemonsets',
    kind: 'DaemonSet',
    shortNames: ['ds'],
    complete: defaults.completeDaemonSet,
    initialStatus: () => ({
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      desiredNumberScheduled: 0,
      numberReady: 0,
    }),
  }),
  budgets: defineKind<BudgetObject>({
    group: 'policy',
    resource: 'poddisruptionbudgets',
    kind: 'PodDisruptionBudget',
    hasStatus: true,
    hasGeneration: true,
    shortNames: ['pdb'],
    initialStatus: () => ({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
    specFields: new Set(['minAvailable', 'maxUnavailable', 'selector', 'unhealthyPodEvictionPolicy']),
  }),
  leases: defineKind({
    group: 'coordination.k8s.io',
    resource: 'leases',
    kind: 'Lease',
    specFields: new Set([
      'holderIdentity',
      'leaseDurationSeconds',
      'acquireTime',
      'renewTime',
      'leaseTransitions',
      'strategy',
      'preferredHolder',
    ]),
  }),
  events: defineKind({
    group: 'events.k8s.io',
    resource: 'events',
    kind: 'Event',
    shortNames: ['ev'],
    complete: defaults.completeEvent,
  }),
  volumeAttachments: defineKind({
    group: 'storage.k8s.io',
    resource: 'volumeattachments',
    kind: 'VolumeAttachment',
    namespaced: false,
    hasStatus: true,
    initialStatus: () => ({ attached: false }),
  }),
  mutatingAdmissionPolicies: defineKind({
    group: 'admissionregistration.k8s.io',
    resource: 'mutatingadmissionpolicies',
    singular: 'mutatingadmissionpolicy',
    kind: 'MutatingAdmissionPolicy',
    namespaced: false,
    hasGeneration: true,
    categories: ['api-extensions'],
    storageVersionHash: 'LYmCf+UMVdg=',
    complete: defaults.completeAdmissionPolicy,
  }),
  mutatingAdmissionPolicyBindings: defineKind({
    group: 'admissionregistration.k8s.io',
    resource: 'mutatingadmissionpolicybindings',
    singular: 'mutatingadmissionpolicybinding',
    kind: 'MutatingAdmissionPolicyBinding',
    namespaced: false,
    hasGeneration: true,
    categories: ['api-extensions'],
    storageVersionHash: '90V5FRZZ3Zg=',
    complete: defaults.completeAdmissionPolicyBinding,
  }),
  accessReviews: defineKind({
    group: 'authorization.k8s.io',
    resource: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    namespaced: false,
    verbs: ['create'],
  }),
} as const satisfies Record<string, Kind>;

/** Every kind of one server. Custom kinds are added to it; the others are always there. */
export class KindTable {
  readonly #byPath = new Map<string, Kind>();

  constructor() {
    for (const kind of Object.values(kinds)) this.add(kind);
  }

  add(kind: Kind): void {
    this.#byPath.set(`${apiVersionOf(kind)}/${kind.resource}`, kind);
  }

  find(apiVersion: string, resource: string): Kind | undefined {
    return this.#byPath.get(`${apiVersion}/${resource}`);
  }

  all(): Kind[] {
    return [...this.#byPath.values()];
  }
}

type FieldReader = (object: ApiObject) => string;

const named: Readonly<Record<string, FieldReader>> = { 'metadata.name': ({ metadata }) => metadata.name };

const fieldsByResource: Readonly<Record<string, Readonly<Record<string, FieldReader>>>> = {
  pods: {
    'spec.nodeName': ({ spec }) => (spec as PodSpec | undefined)?.nodeName ?? '',
    'spec.schedulerName': ({ spec }) => textAt(spec, 'schedulerName'),
    'status.phase': ({ status }) => textAt(status, 'phase'),
    'status.podIP': ({ status }) => textAt(status, 'podIP'),
  },
  nodes: { 'spec.unschedulable': ({ spec }) => String(flagAt(spec, 'unschedulable')) },
  namespaces: { 'status.phase': ({ status }) => textAt(status, 'phase') },
};

/** Which fields a field selector may name, and how each is read; only these, as on a real server. */
export function selectableFields(kind: Kind): Readonly<Record<string, FieldReader>> {
  return {
    ...named,
    ...(kind.namespaced && { 'metadata.namespace': ({ metadata }) => metadata.namespace ?? '' }),
    ...fieldsByResource[kind.resource],
  };
}
