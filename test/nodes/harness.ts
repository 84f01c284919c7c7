/** What the tests of the node lab share: a lab of their own, pods in it, and waiting for what has to become true. */
import { execa } from 'execa';
import { setTimeout as sleep } from 'node:timers/promises';
import { SystemClock, SystemRandom } from '../../src/adapters/system/system-clock.ts';
import { textAt } from '../../src/cluster/json.ts';
import { startNodeLab, type NodeLab, type NodeLabOptions } from '../../src/lab/nodes/node-lab.ts';
import { ClientProcess, type ClientKind } from '../../src/lab/nodes/clients/client-process.ts';
import { ports } from '../../src/lab/nodes/workloads.ts';
import { kinds, type Kind } from '../../src/simulator/kubernetes/kinds.ts';
import { isPodReady, type PodObject } from '../../src/simulator/kubernetes/objects.ts';
import type { LabServer } from '../../src/lab/nodes/server.ts';

const pollMs = 20;
/** Long enough for anything on a busy machine; what takes longer hangs. */
const patienceMs = 90_000;

export const runcRoot = '/run/containerd/runc/k8s.io';

export class TestLab {
  readonly lab: NodeLab;
  readonly #clients: ClientProcess[] = [];

  private constructor(lab: NodeLab) {
    this.lab = lab;
  }

  static async start(more: Partial<NodeLabOptions> = {}): Promise<TestLab> {
    const names = ['node-a', 'node-b'];
    const say = (text: string, facts?: Readonly<Record<string, string>>): void =>
      console.error('  lab:', text, facts ?? '');
    return new TestLab(
      await startNodeLab({ names, clock: new SystemClock(), random: new SystemRandom(), say, ...more }),
    );
  }

  async stop(): Promise<void> {
    this.#killClients();
    await this.lab.stop();
  }

  /** For the next test: no set, no pod, no client of an earlier one. */
  async clear(): Promise<void> {
    this.#killClients();
    const { store, registry } = this.lab.world.api;
    for (const set of store.list(kinds.statefulSets)) registry.delete(kinds.statefulSets, set);
    for (const set of store.list(kinds.replicaSets)) registry.delete(kinds.replicaSets, set);
    for (const { metadata } of store.list(kinds.pods)) this.delete(metadata.name, 0);
    for (const server of this.lab.servers.values()) {
      await this.until('all containers are gone', async () => (await this.running(server)).length === 0);
    }
  }

  #killClients(): void {
    for (const client of this.#clients.splice(0)) client.kill();
  }

  server(name: string): LabServer {
    const server = this.lab.servers.get(name);
    if (!server) throw new Error(`no server ${name}`);
    return server;
  }

  serverOf(pod: PodObject): LabServer {
    return this.server(pod.spec.nodeName ?? '');
  }

  create(kind: Kind, name: string, content: Readonly<Record<string, unknown>>): void {
    const { metadata, ...rest } = content as { metadata?: Readonly<Record<string, unknown>> };
    this.lab.world.api.registry.create(kind, 'default', { metadata: { name, ...metadata }, ...rest });
  }

  /** A bare pod, on a server where one is named. */
  pod(name: string, spec: Readonly<Record<string, unknown>>, metadata: Readonly<Record<string, unknown>> = {}): void {
    this.create(kinds.pods, name, { metadata, spec });
  }

  statefulSet(name: string, template: Readonly<Record<string, unknown>>, replicas = 1): void {
    this.#set(kinds.statefulSets, name, template, replicas);
  }

  replicaSet(name: string, template: Readonly<Record<string, unknown>>, replicas = 1): void {
    this.#set(kinds.replicaSets, name, template, replicas);
  }

  #set(kind: Kind, name: string, template: Readonly<Record<string, unknown>>, replicas: number): void {
    const labels = { app: name };
    const spec = { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: template } };
    this.create(kind, name, { spec });
  }

  /** As a person would, before anything else is done. */
  cordon(name: string, isCordoned: boolean): void {
    const { store } = this.lab.world.api;
    const node = store.get(kinds.nodes, undefined, name);
    if (!node) throw new Error(`no node ${name}`);
    store.replace(kinds.nodes, node, { ...node, spec: { ...node.spec, unschedulable: isCordoned } });
  }

  pods(): readonly PodObject[] {
    return this.lab.world.api.store.list(kinds.pods);
  }

  find(name: string): PodObject | undefined {
    return this.lab.world.api.store.get(kinds.pods, 'default', name);
  }

  async until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
    const deadlineMs = performance.now() + patienceMs;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadlineMs) throw new Error(`this did not come: ${what}\n${this.#shown()}`);
      await sleep(pollMs);
    }
  }

  /** What the pods say of themselves, for whoever has to find out why something did not come. */
  #shown(): string {
    return this.lab.world.api.store
      .list(kinds.pods)
      .map(({ metadata, spec, status }) => `${metadata.name} on ${spec.nodeName}: ${JSON.stringify(status)}`)
      .join('\n');
  }

  /** The uid tells a pod from the one that had the name before. */
  async ready(name: string, exceptUid = ''): Promise<PodObject> {
    return await this.until(`${name} is Ready`, () => {
      const pod = this.find(name);
      return pod && pod.metadata.uid !== exceptUid && isPodReady(pod) ? pod : undefined;
    });
  }

  delete(name: string, gracePeriodSeconds?: number): void {
    const pod = this.find(name);
    if (pod) this.lab.world.api.registry.delete(kinds.pods, pod, { gracePeriodSeconds });
  }

  /** By the pod's address; or by its name, and then it connects anew wherever the pod is. */
  async client(client: ClientKind, pod: PodObject, by: 'address' | 'name' = 'address'): Promise<ClientProcess> {
    const host = by === 'name' ? `${pod.metadata.name}@${this.lab.namesFile}` : (pod.status.podIP ?? '');
    const started = await ClientProcess.start(
      this.lab.network,
      client,
      host,
      ports[client.kind === 'visitors' ? 'echo' : client.kind],
    );
    this.#clients.push(started);
    return started;
  }

  /** Sets rules of nftables where the clients are; the program is the servers', for this machine may have none. */
  async clientRules(rules: string): Promise<void> {
    const [server] = this.lab.servers.values();
    if (!server) throw new Error('no server');
    const [command, args] = this.lab.network.asClient(['chroot', server.inServer('/'), 'nft', rules]);
    await execa(command, args);
  }

  /** Runs something in the pod's first container. */
  async inPod(pod: PodObject, ...command: readonly string[]): Promise<string> {
    const run = ['runc', '--root', runcRoot, 'exec', containerIdOf(pod), ...command];
    return (await this.serverOf(pod).run(run)).stdout;
  }

  /** The ids of all containers that runc knows on a server, sandboxes included. */
  async running(server: LabServer): Promise<string[]> {
    const { stdout } = await server.run(['sh', '-c', `ls ${runcRoot} 2>/dev/null || true`]);
    return stdout.split('\n').filter((id) => id !== '');
  }
}

export function containerIdOf(pod: PodObject, name?: string): string {
  const statuses = pod.status.containerStatuses ?? [];
  const found = name === undefined ? statuses[0] : statuses.find((status) => status.name === name);
  return textAt(found, 'containerID').replace('containerd://', '');
}

/** Of its containers the highest count; -1 where it has none yet. */
export function restartsOf(pod: PodObject): number {
  return Math.max(-1, ...(pod.status.containerStatuses ?? []).map(({ restartCount }) => restartCount));
}
