/** Paths of the API objects that this adapter touches. Every variable part is encoded. */
import { fieldManager } from '../../cluster/cordon.ts';

const encode = encodeURIComponent;

export const paths = {
  nodes: '/api/v1/nodes',
  node: (name: string): string => `/api/v1/nodes/${encode(name)}`,
  nodeStatus: (name: string): string => `/api/v1/nodes/${encode(name)}/status`,
  pods: '/api/v1/pods',
  pod: (pod: { namespace: string; name: string }): string =>
    `/api/v1/namespaces/${encode(pod.namespace)}/pods/${encode(pod.name)}`,
  eviction: (pod: { namespace: string; name: string }): string => `${paths.pod(pod)}/eviction`,
  namespaces: '/api/v1/namespaces',
  replicaSets: (namespace: string): string => `/apis/apps/v1/namespaces/${encode(namespace)}/replicasets`,
  deployment: (namespace: string, name: string): string =>
    `/apis/apps/v1/namespaces/${encode(namespace)}/deployments/${encode(name)}`,
  claims: '/api/v1/persistentvolumeclaims',
  volumes: '/api/v1/persistentvolumes',
  budgets: '/apis/policy/v1/poddisruptionbudgets',
  volumeAttachments: '/apis/storage.k8s.io/v1/volumeattachments',
  leases: (namespace: string): string => `/apis/coordination.k8s.io/v1/namespaces/${encode(namespace)}/leases`,
  lease: (namespace: string, name: string): string => `${paths.leases(namespace)}/${encode(name)}`,
  events: (namespace: string): string => `/apis/events.k8s.io/v1/namespaces/${encode(namespace)}/events`,
  accessReviews: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
  groups: '/apis',
  version: '/version',
} as const;

export const writeQuery = { fieldManager } as const;
