/**
 * A whole simulated data centre from a short description: machines, and the Kubernetes cluster that runs on them. It
 * starts at rest: every node Ready, every workload placed, nothing pending.
 *
 * Powers `demo`, `rehearse` and the tests. It never acts by itself; time, people and the orchestrator do.
 */
import type { Clock, Random } from '../ports/clock.ts';
import { KubernetesApi, type ApiOptions } from './kubernetes/api.ts';
import { ControlPlane } from './kubernetes/control-plane.ts';
import type { ControllerTimes } from './kubernetes/controllers/context.ts';
import { kinds } from './kubernetes/kinds.ts';
import type { PodObject } from './kubernetes/objects.ts';
import { isFinished, isPodReady } from './kubernetes/objects.ts';
import { CordonHistory } from './cordon-history.ts';
import { Machine, type MachineFaults } from './machine.ts';
import { buildWorkload, type WorldWorkload } from './workloads.ts';

export interface WorldServer {
  readonly name: string;
  /** The Kubernetes node; the server's own name where left out, none for a server outside of the cluster. */
  readonly node?: string | undefined;
  readonly isOutsideCluster?: boolean | undefined;
  /** Becomes `topology.kubernetes.io/zone`. */
  readonly zone?: string | undefined;
  readonly rack?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[] | undefined;
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly podsMax?: number | undefined;
  readonly kernel?: string | undefined;
  readonly updatedKernel?: string | undefined;
  readonly bootMs?: number | undefined;
  readonly shutdownMs?: number | undefined;
  readonly faults?: Partial<MachineFaults> | undefined;
}

export interface WorldOptions {
  readonly servers: readonly WorldServer[];
  readonly workloads?: readonly WorldWorkload[] | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly times?: Partial<ControllerTimes> | undefined;
  readonly api?: Partial<ApiOptions> | undefined;
}

export interface World {
  readonly clock: Clock;
  readonly random: Random;
  /** By the server's name. */
  readonly machines: ReadonlyMap<string, Machine>;
  /** The node of a server; servers outside of the cluster are missing. */
  readonly nodeByServer: ReadonlyMap<string, string>;
  readonly api: KubernetesApi;
  readonly controlPlane: ControlPlane;
  /** How often an eviction was accepted, by pod uid. */
  readonly evictionsByUid: ReadonlyMap<string, number>;
  readonly cordons: CordonHistory;
  /** Whether a pod is Ready and its machine really runs. */
  isServing(pod: PodObject): boolean;
  /** Every pod that is wanted is Ready, none is leaving. */
  isAtRest(): boolean;
  /** Ends all timers: nothing in this world moves any more. */
  stop(): void;
}

const systemNamespaces = ['default', 'kube-system', 'kube-node-lease', 'medik8s-leases'];

export function createWorld(options: WorldOptions): World {
  const { clock, random } = options;
  const api = new KubernetesApi(clock, random, options.api);
  const controlPlane = new ControlPlane(api, options.times);
  const cordons = new CordonHistory(api.store, clock);
  const machines = new Map<string, Machine>();
  const nodeByServer = new Map<string, string>();
  controlPlane.timers.runInstantly(() => {
    for (const name of systemNamespaces) api.registry.create(kinds.namespaces, '', { metadata: { name } });
    for (const server of options.servers) {
      const machine = createMachine(server, clock, random);
      refuseDuplicate(machines.has(server.name), `server ${server.name}`);
      machines.set(server.name, machine);
      if (server.isOutsideCluster !== true)
        nodeByServer.set(server.name, createNode(api, controlPlane, server, machine));
    }
  });
  // Workloads come after the nodes are Ready, or everything would land on the first.
  controlPlane.timers.runInstantly(() => {
    for (const workload of options.workloads ?? []) buildWorkload(api.registry, workload);
  });
  return {
    clock,
    random,
    machines,
    nodeByServer,
    api,
    controlPlane,
    evictionsByUid: api.evictions.acceptedByUid,
    cordons,
    isServing: (pod) => isPodReady(pod) && controlPlane.kubelets.isServing(pod),
    isAtRest: () =>
      api.store
        .list(kinds.pods)
        .every((pod) => (isPodReady(pod) || isFinished(pod)) && pod.metadata.deletionTimestamp === undefined) &&
      api.store.list(kinds.deployments).every(({ spec, status }) => status['readyReplicas'] === (spec.replicas ?? 1)) &&
      api.store.list(kinds.statefulSets).every(({ spec, status }) => status['readyReplicas'] === (spec.replicas ?? 1)),
    stop: () => controlPlane.stop(),
  };
}

function refuseDuplicate(isKnown: boolean, what: string): void {
  if (isKnown) throw new Error(`the world has ${what} twice`);
}

function createMachine(server: WorldServer, clock: Clock, random: Random): Machine {
  return new Machine(
    {
      name: server.name,
      kernel: server.kernel ?? '6.12.90-amd64',
      updatedKernel: server.updatedKernel ?? '6.12.94-amd64',
      bootMs: server.bootMs ?? 120_000,
      shutdownMs: server.shutdownMs ?? 20_000,
      ...(server.faults && { faults: server.faults }),
    },
    clock,
    random,
  );
}

function createNode(api: KubernetesApi, controlPlane: ControlPlane, server: WorldServer, machine: Machine): string {
  const name = server.node ?? server.name;
  refuseDuplicate(api.store.get(kinds.nodes, undefined, name) !== undefined, `node ${name}`);
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    ...(server.zone !== undefined && { 'topology.kubernetes.io/zone': server.zone }),
    ...(server.rack !== undefined && { rack: server.rack }),
    ...server.labels,
  };
  api.registry.create(kinds.nodes, '', { metadata: { name, labels }, spec: { taints: server.taints ?? [] } });
  const capacity = {
    cpu: server.cpu ?? '16',
    memory: server.memory ?? '64Gi',
    pods: String(server.podsMax ?? 110),
  };
  controlPlane.kubelets.add(name, machine, capacity);
  return name;
}
