/**
 * The lab's kubelet: keeps the pods that the lab's Kubernetes API binds to one node running on one lab server, through the real
 * container runtime, and reports. It behaves as recorded of a real one where a live move can tell the difference.
 *
 * It never schedules, and it never deletes a pod that nobody asked it to end.
 */
import { recordAt, textAt } from '../../../cluster/json.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { KubernetesApi } from '../../../simulator/kubernetes/api.ts';
import type { Kind } from '../../../simulator/kubernetes/kinds.ts';
import { kinds } from '../../../simulator/kubernetes/kinds.ts';
import { withCondition, type NodeObject, type PodObject } from '../../../simulator/kubernetes/objects.ts';
import { Refusal } from '../../../simulator/kubernetes/refusal.ts';
import type { Change } from '../../../simulator/kubernetes/store.ts';
import type { LabServer } from '../server.ts';
import { Cri } from './cri.ts';
import { dataOf, type References } from './pod-config.ts';
import { PodWorker } from './pod-worker.ts';

export interface KubeletOptions {
  readonly server: LabServer;
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly configMaps: Kind;
  readonly secrets: Kind;
  readonly definitionFile: string;
  readonly capacity: Readonly<Record<string, string>>;
  readonly onRunning: (isRunning: boolean) => void;
  readonly say: (text: string, facts: Readonly<Record<string, string>>) => void;
}

/** As a kubelet looks at its runtime, when nothing tells it earlier. */
const lookMs = 1_000;
const leaseMs = 10_000;

export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #cri: Cri;
  readonly #workers = new Map<string, PodWorker>();
  readonly #timers: NodeJS.Timeout[] = [];
  #stopListening: () => void = () => undefined;
  #isLooking = false;
  #isStopped = false;

  private constructor(options: KubeletOptions) {
    this.#options = options;
    this.#cri = new Cri(options.definitionFile, options.server.inServer('/run/containerd/containerd.sock'));
  }

  get node(): string {
    return this.#options.server.name;
  }

  /** The node object has to be there. */
  static async start(options: KubeletOptions): Promise<Kubelet> {
    const kubelet = new Kubelet(options);
    await kubelet.#cri.untilReady();
    const [sandboxes, containers] = [await kubelet.#cri.sandboxes(), await kubelet.#cri.containers()];
    const { store } = options.api;
    const begin = (pod: PodObject): void => kubelet.#begin(pod, { sandboxes, containers });
    const mine = store.list(kinds.pods).filter((pod) => pod.spec.nodeName === kubelet.node);
    mine.forEach(begin);
    kubelet.#stopListening = store.subscribe((change) => kubelet.#onChange(change));
    // Whose pod is gone meanwhile is ended, before anything new can take its place.
    const known = new Set(mine.map(({ metadata }) => metadata.uid));
    for (const { id, uid } of sandboxes.filter((sandbox) => !known.has(sandbox.uid))) {
      options.say('ending a pod that nobody knows any more', { uid });
      await kubelet.#cri.stopSandbox(id);
      await kubelet.#cri.removeSandbox(id);
    }
    kubelet.#reportNode();
    kubelet.#renewLease();
    kubelet.#timers.push(
      setInterval(() => void kubelet.#look(), lookMs),
      setInterval(() => kubelet.#renewLease(), leaseMs),
    );
    options.onRunning(true);
    return kubelet;
  }

  /** The containers run on. */
  stop(): void {
    this.#isStopped = true;
    this.#stopListening();
    for (const timer of this.#timers) clearInterval(timer);
    for (const worker of this.#workers.values()) worker.abandon();
    this.#cri.close();
    this.#options.onRunning(false);
  }

  #begin(pod: PodObject, found: ConstructorParameters<typeof PodWorker>[2]): void {
    const worker = new PodWorker(pod, this.#world(), found);
    this.#workers.set(pod.metadata.uid, worker);
    worker.update(pod);
    worker.done.catch((error: unknown) => {
      // A server that went off under it; whoever starts the server starts a new kubelet.
      if (!this.#isStopped) this.#options.say('a pod was given up', { pod: pod.metadata.name, error: String(error) });
    });
  }

  #onChange({ kind, type, object }: Change): void {
    if (kind !== kinds.pods || this.#isStopped) return;
    const pod = object as PodObject;
    const worker = this.#workers.get(pod.metadata.uid);
    if (type === 'DELETED') worker?.end(0);
    else if (worker) worker.update(pod);
    else if (pod.spec.nodeName === this.node) this.#begin(pod, { sandboxes: [], containers: [] });
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const containers = new Map((await this.#cri.containers()).map((container) => [container.id, container]));
      for (const worker of this.#workers.values()) await worker.look(containers);
    } catch (error) {
      if (!this.#isStopped) this.#options.say('the container runtime does not answer', { error: String(error) });
    } finally {
      this.#isLooking = false;
    }
  }

  #world(): ConstructorParameters<typeof PodWorker>[1] {
    const { clock, server, say, api } = this.#options;
    return {
      cri: this.#cri,
      server,
      say,
      nowMs: () => clock.nowMs(),
      now: () => api.registry.now(),
      references: (namespace) => this.#references(namespace),
      report: (uid, status) => this.#report(uid, status),
      onEnded: (uid) => this.#onEnded(uid),
    };
  }

  #references(namespace: string): References {
    const { api, configMaps, secrets } = this.#options;
    const read = (kind: Kind, name: string): Record<string, string> => {
      const found = api.store.get(kind, namespace, name);
      if (!found) throw new Error(`${kind.kind} ${namespace}/${name} not found`);
      return dataOf(found, kind === secrets);
    };
    const claimedPath = (claim: string): string => {
      const found = api.store.get(kinds.persistentVolumeClaims, namespace, claim);
      const volume = api.store.get(kinds.persistentVolumes, undefined, textAt(found?.spec, 'volumeName'));
      const path = textAt(recordAt(volume?.spec, 'local'), 'path');
      if (path === '') throw new Error(`claim ${namespace}/${claim} has no local volume`);
      return path;
    };
    return { configMap: (name) => read(configMaps, name), secret: (name) => read(secrets, name), claimedPath };
  }

  #find(uid: string): PodObject | undefined {
    const pod = this.#workers.get(uid)?.pod;
    const found = pod && this.#options.api.store.get(kinds.pods, pod.metadata.namespace, pod.metadata.name);
    return found?.metadata.uid === uid ? found : undefined;
  }

  #report(uid: string, status: (latest: PodObject) => PodObject['status']): void {
    const latest = this.#find(uid);
    if (latest && !this.#isStopped) this.#options.api.registry.setStatus(kinds.pods, latest, status(latest));
  }

  #onEnded(uid: string): void {
    const latest = this.#find(uid);
    this.#workers.delete(uid);
    if (!latest) return;
    try {
      this.#options.api.registry.delete(kinds.pods, latest, { gracePeriodSeconds: 0, uid });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  #reportNode(): void {
    const { api, server, capacity } = this.#options;
    const current = api.store.get(kinds.nodes, undefined, this.node);
    if (!current) throw new Error(`node ${this.node} is not in the lab's cluster`);
    const now = api.registry.now();
    const status = {
      ...current.status,
      addresses: [
        { type: 'InternalIP', address: server.address },
        { type: 'Hostname', address: server.name },
      ],
      capacity,
      allocatable: capacity,
      conditions: withCondition(current.status.conditions, {
        type: 'Ready',
        status: 'True',
        reason: 'KubeletReady',
        message: 'kubelet is posting ready status',
        lastHeartbeatTime: now,
        lastTransitionTime: now,
      }),
      nodeInfo: {
        ...current.status.nodeInfo,
        bootID: server.bootId,
        machineID: server.name,
        systemUUID: server.name,
        kernelVersion: server.kernel,
        osImage: 'Debian GNU/Linux 13 (trixie)',
        architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
        operatingSystem: 'linux',
        containerRuntimeVersion: 'containerd://2.1.9',
        kubeletVersion: 'v1.36.2',
      },
    } satisfies NodeObject['status'];
    api.registry.setStatus(kinds.nodes, current, status);
  }

  #renewLease(): void {
    const { store, registry } = this.#options.api;
    const namespace = 'kube-node-lease';
    const spec = {
      holderIdentity: this.node,
      leaseDurationSeconds: 40,
      renewTime: `${registry.now().slice(0, -1)}.000000Z`,
    };
    const found = store.get(kinds.leases, namespace, this.node);
    if (found) store.replace(kinds.leases, found, { ...found, spec });
    else registry.create(kinds.leases, namespace, { metadata: { name: this.node }, spec });
  }
}

/** Where the definitions of CRI lie in the root of the lab servers. */
export const criDefinitions = '/usr/local/share/cri/api.proto';
