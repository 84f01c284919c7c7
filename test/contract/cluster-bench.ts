/** What the contract of a cluster is tried on: a world, its administrator, and ways to ask and to wait. */
import { listAt, recordAt, textAt, textsAt, type JsonRecord } from '../../src/cluster/json.ts';
import type { PodRef } from '../../src/cluster/pod.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Cluster, ClusterView, CordonAnswer, EvictionAnswer, Workload } from '../../src/ports/cluster.ts';
import type { LabKubernetes } from '../../src/lab/kubernetes/lab-kubernetes.ts';
import { adminUser, pitcrewUser } from '../../src/simulator/kubernetes/access.ts';
import type { KubernetesApi } from '../../src/simulator/kubernetes/api.ts';

export interface ClusterWorld {
  readonly cluster: Cluster;
  /** The API server behind it; the suite writes to it as its administrator. */
  readonly api: KubernetesApi;
  /** Lets time pass, real or virtual, until the promise has settled. */
  drive<T>(promise: Promise<T>): Promise<T>;
  sleep(durationMs: number): Promise<void>;
  /** The wire between, with its faults; none for a simulated cluster. */
  readonly lab?: LabKubernetes | undefined;
  stop(): Promise<void>;
}

export const never = new AbortController().signal;
export const otherUid = '00000000-0000-4000-a000-000000000000';

/** Objects as a person with all rights makes them. */
export class Admin {
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
  }

  ask(method: string, path: string, body?: unknown, contentType = 'application/json'): JsonRecord {
    const answer = this.#api.handle({ method, path, body, contentType, user: adminUser });
    if (answer.kind !== 'answer' || answer.status >= 300) {
      throw new Error(`${method} ${path}: ${JSON.stringify('body' in answer ? answer.body : answer)}`);
    }
    return answer.body as JsonRecord;
  }

  read(path: string): JsonRecord {
    return this.ask('GET', path);
  }

  create(path: string, body: unknown): JsonRecord {
    return this.ask('POST', path, body);
  }

  merge(path: string, body: unknown): JsonRecord {
    return this.ask('PATCH', path, body, 'application/merge-patch+json');
  }

  namespace(name: string): void {
    const answer = this.#api.handle({ method: 'GET', path: `/api/v1/namespaces/${name}`, user: adminUser });
    if (answer.kind === 'answer' && answer.status === 404) this.create('/api/v1/namespaces', { metadata: { name } });
  }

  node(name: string): void {
    this.create('/api/v1/nodes', { metadata: { name, labels: { 'kubernetes.io/hostname': name } } });
    const status = {
      capacity: { cpu: '8', memory: '16Gi', pods: '110' },
      allocatable: { cpu: '8', memory: '16Gi', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
      nodeInfo: { bootID: `boot-${name}`, kernelVersion: '6.12.90-amd64' },
    };
    this.merge(`/api/v1/nodes/${name}/status`, { status });
  }

  /** A pod that is bound and Ready. */
  pod(name: string, labels: Readonly<Record<string, string>>, more: JsonRecord = {}): PodRef {
    const made = this.create('/api/v1/namespaces/shop/pods', {
      metadata: { name, labels, ...more },
      spec: { nodeName: 'node-a', containers: [{ name: 'main', image: 'registry.local/web:1' }] },
    });
    const conditions = [{ type: 'Ready', status: 'True' }];
    this.merge(`/api/v1/namespaces/shop/pods/${name}/status`, { status: { phase: 'Running', conditions } });
    return { namespace: 'shop', name, uid: textAt(recordAt(made, 'metadata'), 'uid') };
  }

  /** A budget as its controller would have it after a look at these numbers. */
  budget(name: string, app: string, disruptionsAllowed: number): void {
    const path = '/apis/policy/v1/namespaces/shop/poddisruptionbudgets';
    this.create(path, { metadata: { name }, spec: { minAvailable: 1, selector: { matchLabels: { app } } } });
    const counts = { currentHealthy: 1 + disruptionsAllowed, desiredHealthy: 1, expectedPods: 1 + disruptionsAllowed };
    this.merge(`${path}/${name}/status`, { status: { observedGeneration: 1, disruptionsAllowed, ...counts } });
  }

  attachment(name: string, nodeName: string, attached: boolean): void {
    const path = '/apis/storage.k8s.io/v1/volumeattachments';
    const source = { persistentVolumeName: `pv-${name}` };
    this.create(path, { metadata: { name }, spec: { attacher: 'csi.example.org', nodeName, source } });
    if (attached) this.merge(`${path}/${name}/status`, { status: { attached } });
  }

  condition(node: string, type: string): JsonRecord {
    const status = recordAt(this.read(`/api/v1/nodes/${node}`), 'status');
    return (listAt(status, 'conditions') as JsonRecord[]).find((one) => one['type'] === type) ?? {};
  }

  annotations(node: string): Readonly<Record<string, string>> {
    return textsAt(recordAt(this.read(`/api/v1/nodes/${node}`), 'metadata'), 'annotations');
  }

  labels(pod: PodRef): Readonly<Record<string, string>> {
    return textsAt(recordAt(this.read(podPath(pod)), 'metadata'), 'labels');
  }

  /** A Deployment that is paused, with a ReplicaSet and one pod of it, all made by hand. */
  replica(hash: string, strategy: string): PodRef {
    const containers = [{ name: 'main', image: 'registry.local/web:1' }];
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers } };
    const selector = { matchLabels: { app: 'web' } };
    const deployment = this.create('/apis/apps/v1/namespaces/shop/deployments', {
      metadata: { name: 'web' },
      spec: { replicas: 1, paused: true, strategy: { type: strategy }, selector, template },
    });
    const labels = { app: 'web', 'pod-template-hash': hash };
    const replicaSet = this.create('/apis/apps/v1/namespaces/shop/replicasets', {
      metadata: { name: `web-${hash}`, labels, ownerReferences: [ownerOf(deployment)] },
      spec: { replicas: 1, selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } },
    });
    return this.pod(`web-${hash}-abcde`, labels, { ownerReferences: [ownerOf(replicaSet)] });
  }

  /** Takes one right away from the orchestrator. */
  revoke(verb: string, resource: string): void {
    const { access } = this.#api;
    const rules = access.rulesOf(pitcrewUser).flatMap((rule) => {
      const others = rule.resources.filter((name) => name !== resource);
      if (!rule.verbs.includes(verb) || !rule.resources.includes(resource)) return [rule];
      const verbs = rule.verbs.filter((name) => name !== verb);
      return [
        { ...rule, resources: others },
        { ...rule, resources: [resource], verbs },
      ];
    });
    access.grant(pitcrewUser, rules);
  }

  /** Acts just before the server handles such a request of anybody else. */
  interfere(method: string, path: string, act: () => void): void {
    const api = this.#api;
    const handle = api.handle.bind(api);
    api.handle = (request) => {
      if (request.user !== adminUser && request.method === method && request.path === path) act();
      return handle(request);
    };
  }
}

export function podPath(pod: { namespace: string; name: string }): string {
  return `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
}

function ownerOf(object: JsonRecord): JsonRecord {
  const metadata = recordAt(object, 'metadata');
  const { name, uid } = { name: textAt(metadata, 'name'), uid: textAt(metadata, 'uid') };
  return { apiVersion: 'apps/v1', kind: object['kind'], name, uid, controller: true };
}

/** One world in use. */
export class Bench {
  readonly world: ClusterWorld;
  readonly admin: Admin;
  readonly cluster: Cluster;

  constructor(world: ClusterWorld) {
    this.world = world;
    this.cluster = world.cluster;
    this.admin = new Admin(world.api);
    for (const namespace of ['default', 'shop', 'medik8s-leases']) this.admin.namespace(namespace);
    this.admin.node('node-a');
  }

  drive<T>(promise: Promise<T>): Promise<T> {
    return this.world.drive(promise);
  }

  async sleep(durationMs: number): Promise<void> {
    await this.drive(this.world.sleep(durationMs));
  }

  async errorOf(promise: Promise<unknown>): Promise<MaintenanceError> {
    const error: unknown = await this.drive(
      promise.then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    if (error instanceof MaintenanceError) return error;
    throw error ?? new Error('it did not fail');
  }

  async until(holds: () => boolean): Promise<void> {
    for (let round = 0; round < 400 && !holds(); round += 1) await this.sleep(25);
    if (!holds()) throw new Error('never happened');
  }

  async viewWith(holds: (view: ClusterView) => boolean): Promise<ClusterView> {
    for (let round = 0; round < 400; round += 1) {
      const view = await this.drive(this.cluster.view(never));
      if (holds(view)) return view;
      await this.sleep(25);
    }
    throw new Error('the view never came to hold what was expected');
  }

  async cordon(runId: string): Promise<CordonAnswer> {
    return await this.drive(this.cluster.cordon('node-a', runId, 'kernel update', never));
  }

  async uncordon(runId: string): Promise<string> {
    return await this.drive(this.cluster.uncordon('node-a', runId, never));
  }

  async evict(pod: PodRef): Promise<EvictionAnswer> {
    return await this.drive(this.cluster.evict(pod, never));
  }

  async setReleased(pod: PodRef, released: boolean): Promise<string> {
    return await this.drive(this.cluster.setReleased(pod, released, never));
  }

  async workload(pod: PodRef): Promise<Workload | undefined> {
    const view = await this.drive(this.cluster.readPod(pod, never));
    if (!view) throw new Error('the pod is not there');
    return await this.drive(this.cluster.workloadOf(view, never));
  }

  async hold(holder: string, seconds = 3600): Promise<'held' | { by: string }> {
    return await this.drive(this.cluster.holdNodeLease('node-a', holder, seconds, never));
  }

  async release(holder: string): Promise<void> {
    await this.drive(this.cluster.releaseNodeLease('node-a', holder, never));
  }
}
