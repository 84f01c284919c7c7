/** DaemonSets: one pod on every node that suits, cordoned or not. The pod says which node, the scheduler binds it. */
import { type NodeObject, type PodObject, type TolerationObject, type WorkloadObject } from '../objects.ts';
import { kinds } from '../kinds.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { isTolerated } from '../../../cluster/scheduling.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';
import { countReady, createPod, deletePod, isLeaving, ownersOf } from './pods-of-workloads.ts';

/** What a daemon puts up with, as the real controller writes it into every pod. */
const tolerations: readonly TolerationObject[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];

/** Taints of a node that is coming or going: daemons are made all the same, or were there before. */
const passing: ReadonlySet<string> = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']);

export class DaemonSetController implements Controller {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.reactionMs, (key) => this.#reconcile(key));
  }

  onChange({ kind, type, object, previous }: Change): void {
    if (kind === kinds.daemonSets && type !== 'DELETED') this.#dirty.add(keyOf(object));
    if (kind === kinds.pods) for (const key of ownersOf('DaemonSet', object, previous)) this.#dirty.add(key);
    if (kind === kinds.nodes && isRelevant(object as NodeObject, previous as NodeObject | undefined, type)) {
      for (const set of this.#context.store.list(kinds.daemonSets)) this.#dirty.add(keyOf(set));
    }
  }

  #reconcile(key: string): void {
    const { store, pods } = this.#context;
    const [namespace, name] = splitKey(key);
    const set = store.get(kinds.daemonSets, namespace, name);
    if (!set || isLeaving(set)) return;
    const owned = [...pods.ownedBy(set.metadata.uid).values()];
    const byNode = new Map<string, PodObject>();
    for (const pod of owned) byNode.set(targetOf(pod), pod);
    const suiting = store.list(kinds.nodes).filter((node) => suits(set, node));
    for (const node of suiting) {
      if (!byNode.has(node.metadata.name)) this.#create(set, node.metadata.name);
    }
    for (const pod of owned) {
      if (!store.get(kinds.nodes, undefined, targetOf(pod)) && !isLeaving(pod)) deletePod(this.#context, pod);
    }
    this.#writeStatus(set, suiting.length);
  }

  #create(set: WorkloadObject, node: string): void {
    const { template } = set.spec;
    createPod(this.#context, {
      owner: set,
      template,
      spec: {
        tolerations: [...(template.spec.tolerations ?? []), ...tolerations],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
            },
          },
        },
      },
    });
  }

  #writeStatus({ metadata }: WorkloadObject, desired: number): void {
    const { store, registry, pods } = this.#context;
    const set = store.get(kinds.daemonSets, metadata.namespace, metadata.name);
    if (!set) return;
    const owned = [...pods.ownedBy(metadata.uid).values()].filter((pod) => !isLeaving(pod));
    const ready = countReady(owned);
    registry.setStatus(kinds.daemonSets, set, {
      observedGeneration: metadata.generation ?? 0,
      desiredNumberScheduled: desired,
      currentNumberScheduled: owned.length,
      updatedNumberScheduled: owned.length,
      numberMisscheduled: 0,
      numberReady: ready,
      numberAvailable: ready,
      numberUnavailable: Math.max(0, desired - ready),
    });
  }
}

/** Where a daemon's pod belongs, bound or not. */
function targetOf(pod: PodObject): string {
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return pod.spec.nodeName ?? terms?.[0]?.matchFields?.[0]?.values[0] ?? '';
}

function suits({ spec: { template } }: WorkloadObject, node: NodeObject): boolean {
  const labels = node.metadata.labels ?? {};
  if (Object.entries(template.spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false;
  const tolerated = [...(template.spec.tolerations ?? []), ...tolerations];
  return (node.spec.taints ?? []).every(
    (taint) => taint.effect === 'PreferNoSchedule' || passing.has(taint.key) || isTolerated(taint, tolerated),
  );
}

function isRelevant(node: NodeObject, previous: NodeObject | undefined, type: Change['type']): boolean {
  if (type !== 'MODIFIED' || !previous) return true;
  return node.metadata.labels !== previous.metadata.labels || node.spec !== previous.spec;
}
