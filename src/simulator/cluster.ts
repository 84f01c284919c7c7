/**
 * The Cluster port straight on the simulated API, in memory: what the real adapter does over HTTP, without the wire.
 *
 * It never looks into the store for what a right is needed for; every call goes through the API with its user.
 */
import type { BudgetView } from '../cluster/budget.ts';
import { cordonChange, uncordonChange } from '../cluster/cordon.ts';
import { GroupedPods } from '../cluster/groups.ts';
import { flagAt, isRecord, listAt, numberAt, recordAt, textAt, textsAt } from '../cluster/json.ts';
import type { NodeView } from '../cluster/node.ts';
import { withPending, type PendingMark } from '../cluster/pending.ts';
import { parseBudget, parseNode, parsePod } from '../cluster/parse.ts';
import { podKey, type PodRef, type PodView } from '../cluster/pod.ts';
import { originalHash, releasedHash, templateHashLabel } from '../cluster/released.ts';
import type { ClusterObjects } from '../cluster/scrub.ts';
import { matchesSelector } from '../cluster/scheduling.ts';
import { parseClaim, parseVolume, type ClaimView, type VolumeView } from '../cluster/storage.ts';
import { parseNamespace, type ClusterView, type NamespaceView } from '../cluster/view.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Cluster, ConditionUpdate, CordonAnswer, EvictionAnswer, Right, Workload } from '../ports/cluster.ts';
import { evictionAnswerOf } from './cluster-answers.ts';
import { ApiClient } from './cluster-client.ts';
import { readObjects } from './cluster-objects.ts';
import { holdLease, releaseLease } from './cluster-leases.ts';
import { KindViews } from './kind-views.ts';
import { ClusterFaults, type ClusterFaultOptions } from './cluster-faults.ts';
import { pitcrewUser } from './kubernetes/access.ts';
import type { KubernetesApi } from './kubernetes/api.ts';
import { kinds } from './kubernetes/kinds.ts';
import { microTimestamp, timestamp } from './kubernetes/time.ts';

export interface SimulatedClusterOptions {
  readonly faults?: ClusterFaultOptions | undefined;
  readonly user?: string | undefined;
}

/** What this class does with the API; the real adapter has a table of its own. */
const usedRights: readonly Right[] = [
  ...['get', 'list', 'watch', 'patch'].map((verb) => ({ verb, group: '', resource: 'nodes' })),
  { verb: 'patch', group: '', resource: 'nodes', subresource: 'status' },
  ...['get', 'list', 'watch', 'patch'].map((verb) => ({ verb, group: '', resource: 'pods' })),
  { verb: 'create', group: '', resource: 'pods', subresource: 'eviction' },
  { verb: 'list', group: 'apps', resource: 'replicasets' },
  { verb: 'get', group: 'apps', resource: 'deployments' },
  ...['deployments', 'statefulsets', 'daemonsets'].map((resource) => ({ verb: 'list', group: 'apps', resource })),
  ...['persistentvolumeclaims', 'persistentvolumes', 'namespaces'].flatMap((resource) =>
    ['list', 'watch'].map((verb) => ({ verb, group: '', resource })),
  ),
  { verb: 'list', group: 'storage.k8s.io', resource: 'volumeattachments' },
  ...['get', 'create', 'update', 'delete'].map((verb) => ({ verb, group: 'coordination.k8s.io', resource: 'leases' })),
  { verb: 'create', group: 'events.k8s.io', resource: 'events' },
];

/** Objects are values: one that was parsed once need not be parsed again. */
const parsedPods = new WeakMap<object, PodView>();

function parsePodOnce(object: unknown): PodView {
  const known = isRecord(object) ? parsedPods.get(object) : undefined;
  if (known) return known;
  const view = parsePod(object);
  if (isRecord(object)) parsedPods.set(object, view);
  return view;
}

export class SimulatedCluster implements Cluster {
  readonly #api: KubernetesApi;
  readonly #user: string;
  readonly #client: ApiClient;
  readonly faults: ClusterFaults | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #nodes: KindViews<NodeView>;
  readonly #pods: KindViews<PodView>;
  readonly #grouped = new GroupedPods();
  readonly #budgets: KindViews<BudgetView>;
  readonly #claims: KindViews<ClaimView>;
  readonly #volumes: KindViews<VolumeView>;
  readonly #namespaces: KindViews<NamespaceView>;
  #view: ClusterView | undefined;
  #isTelling = false;

  constructor(api: KubernetesApi, options: SimulatedClusterOptions = {}) {
    this.#api = api;
    this.#user = options.user ?? pitcrewUser;
    this.#client = new ApiClient(api, this.#user);
    this.faults = options.faults && new ClusterFaults(options.faults);
    const input = { store: api.store, onChange: () => this.#noteChange() };
    const onView = (before: PodView | undefined, now: PodView | undefined): void => this.#grouped.change(before, now);
    this.#nodes = new KindViews({ ...input, kind: kinds.nodes, parse: parseNode });
    this.#pods = new KindViews({ ...input, kind: kinds.pods, parse: parsePodOnce, onView });
    this.#budgets = new KindViews({ ...input, kind: kinds.budgets, parse: parseBudget });
    this.#claims = new KindViews({ ...input, kind: kinds.persistentVolumeClaims, parse: parseClaim });
    this.#volumes = new KindViews({ ...input, kind: kinds.persistentVolumes, parse: parseVolume });
    this.#namespaces = new KindViews({ ...input, kind: kinds.namespaces, parse: parseNamespace });
  }

  async view(signal: AbortSignal): Promise<ClusterView> {
    return await this.#call('view', signal, () => {
      const pods = this.#pods.all;
      this.#grouped.attachTo(pods);
      this.#view ??= {
        nodes: this.#nodes.all,
        pods,
        budgets: this.#budgets.all,
        claims: this.#claims.all,
        volumes: this.#volumes.all,
        namespaces: this.#namespaces.all,
      };
      return this.#view;
    });
  }

  async readNode(name: string, signal: AbortSignal): Promise<NodeView | undefined> {
    return await this.#call('get nodes', signal, () => {
      const object = this.#client.find(`/api/v1/nodes/${name}`);
      return object && parseNode(object);
    });
  }

  async readPod(pod: { namespace: string; name: string }, signal: AbortSignal): Promise<PodView | undefined> {
    return await this.#call('get pods', signal, () => {
      const object = this.#client.find(podPath(pod));
      return object && parsePodOnce(object);
    });
  }

  async readPodsOn(node: string, signal: AbortSignal): Promise<PodView[]> {
    return await this.#call('list pods', signal, () =>
      listAt(this.#client.read('/api/v1/pods', { fieldSelector: `spec.nodeName=${node}` }), 'items').map(parsePod),
    );
  }

  async cordon(node: string, runId: string, reason: string, signal: AbortSignal): Promise<CordonAnswer> {
    return await this.#call('cordon', signal, () => {
      const object = this.#client.read(`/api/v1/nodes/${node}`);
      const decided = cordonChange(object, runId, reason);
      if ('answer' in decided) return decided.answer;
      this.#writeNode(node, decided.change);
      return { kind: 'cordoned' };
    });
  }

  async uncordon(node: string, runId: string, signal: AbortSignal): Promise<'uncordoned' | 'notCordoned' | 'notOurs'> {
    return await this.#call('uncordon', signal, () => {
      const { answer, change } = uncordonChange(this.#client.read(`/api/v1/nodes/${node}`), runId);
      if (change) this.#writeNode(node, change);
      return answer;
    });
  }

  async setPending(node: string, runId: string, mark: PendingMark | undefined, signal: AbortSignal): Promise<void> {
    await this.#call('taint', signal, () => {
      const object = this.#client.read(`/api/v1/nodes/${node}`);
      const taints = withPending(listAt(recordAt(object, 'spec'), 'taints'), runId, mark);
      if (taints) this.#client.patch(`/api/v1/nodes/${node}`, 'merge', { spec: { taints } });
    });
  }

  async setConditions(node: string, updates: readonly ConditionUpdate[], signal: AbortSignal): Promise<void> {
    await this.#call('patch nodes/status', signal, () => {
      const now = timestamp(this.#api.registry.clock.nowMs());
      const present = listAt(recordAt(this.#client.read(`/api/v1/nodes/${node}`), 'status'), 'conditions');
      const conditions = updates.flatMap((update) => {
        const before = present.find((condition) => textAt(condition, 'type') === update.type);
        const status = update.status ? 'True' : 'False';
        const isSameStatus = textAt(before, 'status') === status;
        const isSameText = textAt(before, 'reason') === update.reason && textAt(before, 'message') === update.message;
        if (isSameStatus && isSameText) return [];
        const lastTransitionTime = (isSameStatus && textAt(before, 'lastTransitionTime')) || now;
        return [{ ...update, status, lastTransitionTime, lastHeartbeatTime: now }];
      });
      if (conditions.length > 0)
        this.#client.patch(`/api/v1/nodes/${node}/status`, 'strategic', { status: { conditions } });
    });
  }

  async evict(pod: PodRef, signal: AbortSignal): Promise<EvictionAnswer> {
    return await this.#call('create pods/eviction', signal, () => {
      // Read first: an eviction that its uid precondition refuses has already been charged to the budget.
      const object = this.#client.find(podPath(pod));
      const metadata = recordAt(object, 'metadata');
      if (!object || textAt(metadata, 'uid') !== pod.uid) return { kind: 'gone' };
      if (textAt(metadata, 'deletionTimestamp') !== '') return { kind: 'accepted' };
      const answer = this.#client.ask('POST', `${podPath(pod)}/eviction`, {
        metadata: { name: pod.name, namespace: pod.namespace },
        deleteOptions: { preconditions: { uid: pod.uid } },
      });
      return evictionAnswerOf(answer);
    });
  }

  async attachedVolumes(node: string, signal: AbortSignal): Promise<string[]> {
    return await this.#call('list volumeattachments', signal, () =>
      listAt(this.#client.read('/apis/storage.k8s.io/v1/volumeattachments'), 'items')
        .filter((item) => textAt(recordAt(item, 'spec'), 'nodeName') === node)
        .filter((item) => flagAt(recordAt(item, 'status'), 'attached'))
        .map((item) => textAt(recordAt(item, 'metadata'), 'name')),
    );
  }

  async setReleased(pod: PodRef, released: boolean, signal: AbortSignal): Promise<'changed' | 'unchanged' | 'gone'> {
    return await this.#call('patch pods', signal, () => {
      const metadata = recordAt(this.#client.find(podPath(pod)), 'metadata');
      if (textAt(metadata, 'uid') !== pod.uid) return 'gone';
      const hash = textsAt(metadata, 'labels')[templateHashLabel];
      if (hash === undefined) {
        const message = `pod ${podKey(pod)} has no label ${templateHashLabel}: it belongs to no ReplicaSet of a Deployment`;
        throw new MaintenanceError('cluster/refused', 'halt', message);
      }
      const value = released ? releasedHash(hash) : originalHash(hash);
      if (value === hash) return 'unchanged';
      this.#client.patch(podPath(pod), 'merge', { metadata: { uid: pod.uid, labels: { [templateHashLabel]: value } } });
      return 'changed';
    });
  }

  async workloadOf(pod: PodView, signal: AbortSignal): Promise<Workload | undefined> {
    return await this.#call('list replicasets', signal, () => {
      const hash = pod.labels[templateHashLabel];
      if (hash === undefined) return undefined;
      const labels = { ...pod.labels, [templateHashLabel]: originalHash(hash) };
      const labelSelector = `${templateHashLabel}=${originalHash(hash)}`;
      const list = this.#client.read(`/apis/apps/v1/namespaces/${pod.namespace}/replicasets`, { labelSelector });
      const replicaSet = listAt(list, 'items').find((item) =>
        pod.owner
          ? textAt(recordAt(item, 'metadata'), 'uid') === pod.owner.uid
          : matchesSelector(
              { matchLabels: textsAt(recordAt(recordAt(item, 'spec'), 'selector'), 'matchLabels') },
              labels,
            ),
      );
      if (replicaSet === undefined) return undefined;
      const metadata = recordAt(replicaSet, 'metadata');
      const wanted = numberAt(recordAt(replicaSet, 'spec'), 'replicas', 1);
      const workload = { name: textAt(metadata, 'name'), wanted };
      const owner = listAt(metadata, 'ownerReferences').find((reference) => flagAt(reference, 'controller'));
      if (textAt(owner, 'kind') !== 'Deployment') return { ...workload, recreates: false };
      const deployment = this.#client.find(
        `/apis/apps/v1/namespaces/${pod.namespace}/deployments/${textAt(owner, 'name')}`,
      );
      if (!deployment) return undefined;
      const strategy = recordAt(recordAt(deployment, 'spec'), 'strategy');
      return { ...workload, recreates: textAt(strategy, 'type') === 'Recreate' };
    });
  }

  async holdNodeLease(
    node: string,
    holder: string,
    durationSeconds: number,
    signal: AbortSignal,
  ): Promise<'held' | { by: string }> {
    const nowMs = this.#api.registry.clock.nowMs();
    const act = (): 'held' | { by: string } => holdLease(this.#client, { node, holder, durationSeconds, nowMs });
    return await this.#call('update leases', signal, act);
  }

  async releaseNodeLease(node: string, holder: string, signal: AbortSignal): Promise<void> {
    await this.#call('delete leases', signal, () => releaseLease(this.#client, node, holder));
  }

  async announce(node: string, reason: string, message: string, signal: AbortSignal): Promise<void> {
    await this.#call('create events', signal, () => {
      const answer = this.#client.ask('POST', '/apis/events.k8s.io/v1/namespaces/default/events', {
        metadata: { generateName: `${node}-` },
        eventTime: microTimestamp(this.#api.registry.clock.nowMs()),
        regarding: { apiVersion: 'v1', kind: 'Node', name: node },
        type: 'Normal',
        reason,
        action: reason,
        note: message,
        reportingController: 'pitcrew.dev/daemon',
        reportingInstance: 'simulator',
      });
      this.#client.must(answer, 'create events');
    });
  }

  async readObjects(signal: AbortSignal): Promise<ClusterObjects> {
    return await this.#call('list', signal, () => readObjects(this.#client));
  }

  async missingRights(signal: AbortSignal): Promise<Right[]> {
    return await this.#call('review rights', signal, () =>
      usedRights.filter(({ verb, group, resource, subresource }) => {
        const named = subresource === undefined ? resource : `${resource}/${subresource}`;
        return !this.#api.access.isAllowed(this.#user, verb, group, named);
      }),
    );
  }

  async version(signal: AbortSignal): Promise<string> {
    return await this.#call('get version', signal, () => textAt(this.#client.read('/version'), 'gitVersion'));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #call<T>(what: string, signal: AbortSignal, act: () => T): Promise<T> {
    signal.throwIfAborted();
    this.faults?.beforeCall(what);
    const result = act();
    this.faults?.afterCall(what);
    return result;
  }

  #writeNode(node: string, { annotations, spec }: { readonly annotations: object; readonly spec: object }): void {
    this.#client.patch(`/api/v1/nodes/${node}`, 'merge', { metadata: { annotations }, spec });
  }

  /** Changes of one moment are told together, after whoever made them has finished. */
  #noteChange(): void {
    this.#view = undefined;
    if (this.#isTelling || this.#listeners.size === 0) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

function podPath(pod: { namespace: string; name: string }): string {
  return `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`;
}
