/** Small clusters for tests of the planner. */
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { ClusterView } from '../../src/cluster/view.ts';
import { pod } from '../workflow/fixtures.ts';

export function nodeView(name: string, change: Partial<NodeView> = {}): NodeView {
  return {
    name,
    uid: `uid-${name}`,
    labels: { 'kubernetes.io/hostname': name },
    cordon: { kind: 'none' },
    ready: true,
    bootId: 'b',
    kernelVersion: '6.12',
    taints: [],
    allocatable: { cpuMillis: 10_000, memoryBytes: 10_000, pods: 110, others: {} },
    volumesInUse: [],
    ...change,
  };
}

export function view(nodes: readonly NodeView[], pods: readonly PodView[]): ClusterView {
  return { nodes, pods, budgets: [], claims: [], volumes: [], namespaces: [] };
}

/** A replica of Deployment `app`, that asks for so many tenths of a percent of a node of `nodeView`. */
export function replica(
  app: string,
  index: number,
  node: string,
  cpuMillis: number,
  change: Partial<PodView> = {},
): PodView {
  return pod({
    name: `${app}-${index}`,
    uid: `uid-${app}-${index}`,
    node,
    labels: { app, 'pod-template-hash': 'h' },
    owner: { kind: 'ReplicaSet', name: `${app}-h`, uid: `rs-${app}` },
    requests: { cpuMillis, memoryBytes: 0, others: {} },
    ...change,
  });
}
