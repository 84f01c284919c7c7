/** Small clusters as API objects would show them, parsed like those, so that a test says only what it is about. */
import { parseNode, parsePod } from '../../src/cluster/parse.ts';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { ClusterView } from '../../src/cluster/view.ts';

const gib = 2 ** 30;

export interface FleetNode {
  readonly zone?: string;
  readonly memoryGib?: number;
  readonly pods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { readonly key: string; readonly effect: string }[];
  readonly cordonedBy?: string;
  readonly ready?: boolean;
  readonly gpus?: number;
}

export function fleetNode(name: string, more: FleetNode = {}): NodeView {
  const { zone, memoryGib = 16, pods = 110, labels, taints = [], cordonedBy, ready = true, gpus = 0 } = more;
  return parseNode({
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        ...(zone !== undefined && { 'topology.kubernetes.io/zone': zone }),
        ...labels,
      },
      ...(cordonedBy && { annotations: { 'pitcrew.dev/cordoned-by': cordonedBy } }),
    },
    spec: { taints, ...(cordonedBy !== undefined && { unschedulable: true }) },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      allocatable: { cpu: '16', memory: memoryGib * gib, pods, 'nvidia.com/gpu': gpus },
    },
  });
}

export interface FleetPod {
  readonly namespace?: string;
  readonly app?: string;
  readonly memoryGib?: number;
  readonly gpus?: number;
  readonly ready?: boolean;
  readonly owner?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: object;
}

/** `node` empty: waits for a place. */
export function fleetPod(name: string, node: string, more: FleetPod = {}): PodView {
  const { namespace = 'shop', app = 'web', memoryGib = 1, gpus = 0, ready = true, owner = 'ReplicaSet' } = more;
  const requests = { cpu: '100m', memory: memoryGib * gib, ...(gpus > 0 && { 'nvidia.com/gpu': gpus }) };
  return parsePod({
    metadata: {
      namespace,
      name,
      uid: `${namespace}/${name}`,
      labels: { app, ...more.labels },
      ownerReferences: [{ kind: owner, name: app, uid: app, controller: true }],
    },
    spec: { nodeName: node, containers: [{ resources: { requests } }], ...more.spec },
    status: {
      phase: node === '' ? 'Pending' : 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  });
}

const required = 'requiredDuringSchedulingIgnoredDuringExecution';

export function apartFrom(app: string, topologyKey = 'kubernetes.io/hostname'): object {
  const term = { topologyKey, labelSelector: { matchLabels: { app } } };
  return { affinity: { podAntiAffinity: { [required]: [term] } } };
}

export function togetherWith(app: string, topologyKey = 'kubernetes.io/hostname'): object {
  const term = { topologyKey, labelSelector: { matchLabels: { app } } };
  return { affinity: { podAffinity: { [required]: [term] } } };
}

export function spreadOver(topologyKey: string, app = 'web', more: object = {}): object {
  const labelSelector = { matchLabels: { app } };
  const constraint = { topologyKey, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector, ...more };
  return { topologySpreadConstraints: [constraint] };
}

export function fleetView(nodes: NodeView[], pods: PodView[], more: Partial<ClusterView> = {}): ClusterView {
  return { nodes, pods, budgets: [], claims: [], volumes: [], namespaces: [], ...more };
}
