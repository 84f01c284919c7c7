/** Workloads of a simulated world: from a short description to the API objects that a person would have applied. */
import { kinds, type Draft, type Kind } from './kubernetes/kinds.ts';
import { completesAfterAnnotation, readyAfterAnnotation } from './kubernetes/controllers/kubelet.ts';
import type { Registry } from './kubernetes/registry.ts';

export interface WorldBudget {
  readonly minAvailable?: number | string | undefined;
  readonly maxUnavailable?: number | string | undefined;
  readonly unhealthyPodEvictionPolicy?: 'IfHealthyBudget' | 'AlwaysAllow' | undefined;
}

interface CommonWorkload {
  readonly name: string;
  /** `default` where left out; made if missing. */
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  /** Length of time like `3s` from running to Ready. */
  readonly readyAfter?: string | undefined;
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined;
  readonly tolerations?: readonly unknown[] | undefined;
  readonly priority?: number | undefined;
  readonly hostNetwork?: boolean | undefined;
  /** Volumes as in a pod's spec. */
  readonly volumes?: readonly unknown[] | undefined;
  /** Never two of these on one node. */
  readonly spreadOverNodes?: boolean | undefined;
  /** A budget over exactly these pods, of the workload's name. */
  readonly budget?: WorldBudget | undefined;
}

export type WorldWorkload =
  | (CommonWorkload & {
      readonly kind: 'deployment';
      readonly replicas: number;
      readonly strategy?: 'RollingUpdate' | 'Recreate' | undefined;
    })
  | (CommonWorkload & {
      readonly kind: 'statefulSet';
      readonly replicas: number;
      /** A persistent volume for each pod, e.g. `10Gi`. */
      readonly volumeSize?: string | undefined;
    })
  | (CommonWorkload & { readonly kind: 'daemonSet' })
  | (CommonWorkload & {
      readonly kind: 'pod';
      /** Bound from the beginning. */
      readonly node?: string | undefined;
      /** Run by the kubelet from a file: shown as a mirror pod that its node owns. Needs `node`. */
      readonly isStatic?: boolean | undefined;
      /** Ends by itself after a length of time like `10m`. */
      readonly completesAfter?: string | undefined;
    })
  /** A budget of its own, e.g. a second one over the same pods. */
  | {
      readonly kind: 'budget';
      readonly name: string;
      readonly namespace?: string | undefined;
      readonly matchLabels: Readonly<Record<string, string>>;
      readonly budget: WorldBudget;
    };

export function buildWorkload(registry: Registry, workload: WorldWorkload): void {
  const namespace = workload.namespace ?? 'default';
  if (!registry.store.get(kinds.namespaces, undefined, namespace)) {
    registry.create(kinds.namespaces, '', { metadata: { name: namespace } });
  }
  if (workload.kind === 'budget') {
    createOnce(registry, kinds.budgets, namespace, budgetDraft(workload.name, workload.budget, workload.matchLabels));
    return;
  }
  // The budget is there first, so that no pod is ever without it.
  if (workload.budget) {
    createOnce(registry, kinds.budgets, namespace, budgetDraft(workload.name, workload.budget, selectorOf(workload)));
  }
  const [kind, draft] = draftOf(registry, workload);
  createOnce(registry, kind, namespace, draft);
}

function createOnce(registry: Registry, kind: Kind, namespace: string, draft: Draft): void {
  const name = String(draft.metadata?.['name']);
  if (registry.store.get(kind, namespace, name)) {
    throw new Error(`the world has ${kind.kind} ${namespace}/${name} twice`);
  }
  registry.create(kind, namespace, draft);
}

type PodWorkload = Exclude<WorldWorkload, { kind: 'budget' }>;

function selectorOf(workload: PodWorkload): Readonly<Record<string, string>> {
  return { app: workload.name };
}

function budgetDraft(name: string, budget: WorldBudget, matchLabels: Readonly<Record<string, string>>): Draft {
  return { metadata: { name }, spec: { ...withoutUndefined(budget), selector: { matchLabels } } };
}

function draftOf(registry: Registry, workload: PodWorkload): [Kind, Draft] {
  const selector = { matchLabels: selectorOf(workload) };
  const metadata = { name: workload.name, labels: selectorOf(workload) };
  const template = { metadata: podMetadata(workload), spec: podSpec(workload) };
  switch (workload.kind) {
    case 'deployment': {
      const strategy = { type: workload.strategy ?? 'RollingUpdate' };
      return [kinds.deployments, { metadata, spec: { replicas: workload.replicas, selector, template, strategy } }];
    }
    case 'statefulSet': {
      const { replicas, volumeSize } = workload;
      const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: volumeSize } } };
      const volumeClaimTemplates = volumeSize === undefined ? [] : [{ metadata: { name: 'data' }, spec: claim }];
      const spec = { replicas, selector, template, serviceName: workload.name, volumeClaimTemplates };
      return [kinds.statefulSets, { metadata, spec }];
    }
    case 'daemonSet':
      return [kinds.daemonSets, { metadata, spec: { selector, template } }];
    case 'pod':
      return [kinds.pods, podDraft(registry, workload)];
  }
}

function podDraft(registry: Registry, workload: PodWorkload & { kind: 'pod' }): Draft {
  const { annotations, labels } = podMetadata(workload);
  const node = workload.node;
  const found = node === undefined ? undefined : registry.store.get(kinds.nodes, undefined, node);
  if (node !== undefined && !found) throw new Error(`the world has no node ${node} for pod ${workload.name}`);
  if (workload.isStatic === true && !found) throw new Error(`the static pod ${workload.name} needs a node`);
  const owner = { apiVersion: 'v1', kind: 'Node', name: node, uid: found?.metadata.uid, controller: true };
  return {
    metadata: {
      name: workload.name,
      labels,
      annotations: {
        ...annotations,
        ...(workload.completesAfter !== undefined && { [completesAfterAnnotation]: workload.completesAfter }),
        ...(workload.isStatic === true && { 'kubernetes.io/config.mirror': workload.name }),
      },
      ...(workload.isStatic === true && { ownerReferences: [owner] }),
    },
    spec: { ...podSpec(workload), ...(node !== undefined && { nodeName: node }) },
  };
}

function podMetadata(workload: PodWorkload): {
  labels: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
} {
  return {
    labels: { ...workload.labels, ...selectorOf(workload) },
    ...((workload.annotations || workload.readyAfter !== undefined) && {
      annotations: {
        ...workload.annotations,
        ...(workload.readyAfter !== undefined && { [readyAfterAnnotation]: workload.readyAfter }),
      },
    }),
  };
}

function podSpec(workload: PodWorkload): Readonly<Record<string, unknown>> {
  const term = { labelSelector: { matchLabels: selectorOf(workload) }, topologyKey: 'kubernetes.io/hostname' };
  return withoutUndefined({
    containers: [
      {
        name: workload.name,
        image: `registry.local/${workload.name}:1`,
        resources: { requests: { cpu: workload.cpu ?? '100m', memory: workload.memory ?? '128Mi' } },
      },
    ],
    terminationGracePeriodSeconds: workload.gracePeriodSeconds,
    nodeSelector: workload.nodeSelector,
    tolerations: workload.tolerations,
    priority: workload.priority,
    hostNetwork: workload.hostNetwork,
    volumes: workload.volumes,
    affinity:
      workload.spreadOverNodes === true
        ? { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } }
        : undefined,
  });
}

function withoutUndefined(record: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
