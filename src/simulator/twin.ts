/**
 * A simulated data centre that looks like a real one did when its snapshot was taken: the same nodes, pods, budgets and
 * owners under the same names and uids, and a machine behind every node.
 *
 * It only builds; time, controllers and the orchestrator do the rest. What owns pods and is no workload of Kubernetes'
 * own (an operator's resource, a Job) is stood in for: its pod comes back under its name.
 */
import { textAt, type JsonRecord } from '../cluster/json.ts';
import type { ClusterObjects, ObjectKind } from '../cluster/scrub.ts';
import type { Clock, Random } from '../ports/clock.ts';
import { KubernetesApi } from './kubernetes/api.ts';
import { ControlPlane } from './kubernetes/control-plane.ts';
import { defaultTimes, type ControllerTimes } from './kubernetes/controllers/context.ts';
import { apiVersionOf, kinds, type Kind } from './kubernetes/kinds.ts';
import { controllerOf, isFinished, type ApiObject, type NodeObject, type PodObject } from './kubernetes/objects.ts';
import { Machine, type MachineFaults } from './machine.ts';

export interface TwinServer {
  readonly name: string;
  readonly node: string;
}

export interface TwinOptions {
  readonly objects: ClusterObjects;
  readonly servers: readonly TwinServer[];
  readonly clock: Clock;
  readonly random: Random;
  /** What an update brings on a server that runs this kernel. */
  readonly updatedKernel: (kernel: string) => string;
  readonly bootMsOf: (server: string) => number;
  readonly shutdownMs: number;
  readonly times?: Partial<ControllerTimes> | undefined;
  readonly faultsOf?: ((server: string) => Partial<MachineFaults> | undefined) | undefined;
}

export interface Twin {
  readonly api: KubernetesApi;
  readonly controlPlane: ControlPlane;
  /** By the server's name. */
  readonly machines: ReadonlyMap<string, Machine>;
  /** Kinds of owners that are stood in for, sorted. */
  readonly standIns: readonly string[];
  stop(): void;
}

const kindOf: Readonly<Record<ObjectKind, Kind>> = {
  namespaces: kinds.namespaces,
  nodes: kinds.nodes,
  volumes: kinds.persistentVolumes,
  claims: kinds.persistentVolumeClaims,
  deployments: kinds.deployments,
  replicaSets: kinds.replicaSets,
  statefulSets: kinds.statefulSets,
  daemonSets: kinds.daemonSets,
  budgets: kinds.budgets,
  pods: kinds.pods,
};

/** Where events and the leases of maintenance are written. */
const neededNamespaces = ['default', 'medik8s-leases'];

export function createTwin(options: TwinOptions): Twin {
  const { objects, clock, random } = options;
  const api = new KubernetesApi(clock, random);
  const owners = ownersOutside(objects);
  const controlPlane = new ControlPlane(api, options.times, { scaleOf: (uid) => owners.get(uid)?.pods });
  // Owners before what they own, nodes before what runs on them.
  for (const kind of Object.keys(kindOf) as ObjectKind[]) {
    for (const object of objects[kind]) insert(api, kindOf[kind], object);
  }
  for (const name of neededNamespaces) {
    if (!api.store.get(kinds.namespaces, undefined, name))
      api.registry.create(kinds.namespaces, '', { metadata: { name } });
  }
  attachVolumes(api);
  standIn(api, controlPlane, owners);
  const machines = new Map<string, Machine>();
  const serverOf = new Map(options.servers.map((server) => [server.node, server.name]));
  for (const node of api.store.list(kinds.nodes)) {
    const name = serverOf.get(node.metadata.name);
    const machine = machineOf(node, name, options);
    if (name !== undefined) machines.set(name, machine);
    controlPlane.kubelets.add(node.metadata.name, machine, {});
  }
  return {
    api,
    controlPlane,
    machines,
    standIns: [...new Set([...owners.values()].map(({ kind }) => kind))].sort(),
    stop: () => controlPlane.stop(),
  };
}

function insert(api: KubernetesApi, kind: Kind, object: JsonRecord): void {
  const complete: JsonRecord = {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    spec: {},
    ...(kind.hasStatus && { status: {} }),
    ...object,
  };
  api.store.insert(kind, complete as unknown as ApiObject);
}

/** A node that is not Ready has a machine that nobody can talk to, as far as can be told from a snapshot. */
function machineOf(node: NodeObject, server: string | undefined, options: TwinOptions): Machine {
  const { nodeInfo } = node.status;
  const kernel = textAt(nodeInfo, 'kernelVersion');
  const isReady = node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
  const faults = server === undefined ? undefined : options.faultsOf?.(server);
  return new Machine(
    {
      name: server ?? node.metadata.name,
      kernel,
      updatedKernel: options.updatedKernel(kernel),
      bootMs: options.bootMsOf(server ?? ''),
      shutdownMs: options.shutdownMs,
      bootId: textAt(nodeInfo, 'bootID'),
      system: isReady ? 'up' : 'hung',
      ...(faults && { faults }),
    },
    options.clock,
    options.random,
  );
}

/** The snapshot says which pod uses which volume on which node; so these volumes hang there. */
function attachVolumes({ store, registry }: KubernetesApi): void {
  const attached = new Set<string>();
  for (const pod of store.list(kinds.pods)) {
    const node = pod.spec.nodeName;
    if (node === undefined || isFinished(pod)) continue;
    for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
      if (!persistentVolumeClaim) continue;
      const claim = store.get(kinds.persistentVolumeClaims, pod.metadata.namespace, persistentVolumeClaim.claimName);
      const volume = textAt(claim?.spec, 'volumeName');
      const name = `csi-${node}-${volume}`;
      if (volume === '' || attached.has(name)) continue;
      attached.add(name);
      const made = registry.create(kinds.volumeAttachments, '', {
        metadata: { name },
        spec: { attacher: 'snapshot', nodeName: node, source: { persistentVolumeName: volume } },
      });
      registry.setStatus(kinds.volumeAttachments, made, { attached: true });
    }
  }
}

interface OutsideOwner {
  readonly kind: string;
  /** How many pods it had when the snapshot was taken. */
  pods: number;
}

const ownKinds = new Set(['ReplicaSet', 'StatefulSet', 'DaemonSet', 'Node']);

function ownersOutside(objects: ClusterObjects): Map<string, OutsideOwner> {
  const owners = new Map<string, OutsideOwner>();
  for (const object of objects.pods) {
    const owner = controllerOf(object as unknown as ApiObject);
    if (!owner || ownKinds.has(owner.kind) || isFinished(object as unknown as PodObject)) continue;
    const known = owners.get(owner.uid);
    if (known) known.pods += 1;
    else owners.set(owner.uid, { kind: owner.kind, pods: 1 });
  }
  return owners;
}

/** What an operator would do: a pod that went comes again, under its name, wherever it fits. */
function standIn(api: KubernetesApi, { timers }: ControlPlane, owners: ReadonlyMap<string, OutsideOwner>): void {
  api.store.subscribe(({ kind, type, object }) => {
    if (kind !== kinds.pods || type !== 'DELETED') return;
    const pod = object as PodObject;
    const owner = controllerOf(pod);
    if (!owner || !owners.has(owner.uid) || isFinished(pod)) return;
    timers.after(defaultTimes.reactionMs, () => {
      const { namespace = '', name, labels, annotations, ownerReferences } = pod.metadata;
      if (api.store.get(kinds.pods, namespace, name)) return;
      const { nodeName: _left, ...spec } = pod.spec;
      api.registry.create(kinds.pods, namespace, { metadata: { name, labels, annotations, ownerReferences }, spec });
    });
  });
}
