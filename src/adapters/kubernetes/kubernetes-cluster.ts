/**
 * The Cluster port on a real Kubernetes API. It only brings the parts together: the watched view, and one file for each
 * kind of object that is written.
 */
import { randomUUID } from 'node:crypto';
import type { NodeView } from '../../cluster/node.ts';
import type { PendingMark } from '../../cluster/pending.ts';
import { podKey, type PodRef, type PodView } from '../../cluster/pod.ts';
import { parseNode, parsePod } from '../../cluster/parse.ts';
import { textAt } from '../../cluster/json.ts';
import type { ClusterObjects } from '../../cluster/scrub.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type {
  Cluster,
  ClusterView,
  ConditionUpdate,
  CordonAnswer,
  EvictionAnswer,
  Right,
  Workload,
} from '../../ports/cluster.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ApiObjects } from '../../ports/objects.ts';
import { KubernetesObjects } from './api-objects.ts';
import { cordon, setConditions, setPending, uncordon } from './nodes.ts';
import { readObjects } from './objects.ts';
import { attachedVolumes, evict, setReleased, podsOn } from './pods.ts';
import { holdNodeLease, releaseNodeLease } from './node-leases.ts';
import { paths } from './paths.ts';
import { eventNamespace, missingRights } from './rights.ts';
import type { ApiTransport } from './transport.ts';
import { workloadOf } from './workloads.ts';
import { WatchedCluster, type FreshnessTimes } from './watched-cluster.ts';
import type { WatchTimes } from './watched-list.ts';

export interface KubernetesClusterOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly leaseNamespace: string;
  /** Names this process in Events. */
  readonly instance: string;
  readonly times: WatchTimes & FreshnessTimes;
}

const noteLengthMax = 1000;

export class KubernetesCluster implements Cluster {
  /** Objects of any kind, by the same connection and identity. */
  readonly objects: ApiObjects;
  readonly #options: KubernetesClusterOptions;
  readonly #transport: ApiTransport;
  readonly #watched: WatchedCluster;

  constructor(options: KubernetesClusterOptions) {
    this.#options = options;
    this.#transport = options.transport;
    this.objects = new KubernetesObjects(options.transport);
    this.#watched = new WatchedCluster(options, options.times);
  }

  start(): void {
    this.#watched.start();
  }

  /** Ends the watches and closes every connection. May be called more than once. */
  async stop(): Promise<void> {
    await this.#watched.stop();
    this.#transport.close();
  }

  view(signal: AbortSignal): Promise<ClusterView> {
    return this.#watched.view(signal);
  }

  onChange(listener: () => void): () => void {
    return this.#watched.onChange(listener);
  }

  async readNode(name: string, signal: AbortSignal): Promise<NodeView | undefined> {
    const request = { verb: 'get', resource: `nodes/${name}`, path: paths.node(name) } as const;
    const object = await this.#transport.find<unknown>(request, signal);
    return object === undefined ? undefined : parseNode(object);
  }

  async readPod(pod: { namespace: string; name: string }, signal: AbortSignal): Promise<PodView | undefined> {
    const request = { verb: 'get', resource: `pods/${podKey(pod)}`, path: paths.pod(pod) } as const;
    const object = await this.#transport.find<unknown>(request, signal);
    return object === undefined ? undefined : parsePod(object);
  }

  readPodsOn(node: string, signal: AbortSignal): Promise<PodView[]> {
    return podsOn(this.#transport, node, signal);
  }

  cordon(node: string, runId: string, reason: string, signal: AbortSignal): Promise<CordonAnswer> {
    return cordon(this.#options, node, runId, reason, signal);
  }

  uncordon(node: string, runId: string, signal: AbortSignal): Promise<'uncordoned' | 'notCordoned' | 'notOurs'> {
    return uncordon(this.#options, node, runId, signal);
  }

  setPending(node: string, runId: string, mark: PendingMark | undefined, signal: AbortSignal): Promise<void> {
    return setPending(this.#options, node, runId, mark, signal);
  }

  setConditions(node: string, updates: readonly ConditionUpdate[], signal: AbortSignal): Promise<void> {
    return setConditions(this.#options, node, updates, signal);
  }

  evict(pod: PodRef, signal: AbortSignal): Promise<EvictionAnswer> {
    return evict(this.#options, pod, signal);
  }

  attachedVolumes(node: string, signal: AbortSignal): Promise<string[]> {
    return attachedVolumes(this.#transport, node, signal);
  }

  setReleased(pod: PodRef, released: boolean, signal: AbortSignal): Promise<'changed' | 'unchanged' | 'gone'> {
    return setReleased(this.#options, pod, released, signal);
  }

  workloadOf(pod: PodView, signal: AbortSignal): Promise<Workload | undefined> {
    return workloadOf(this.#transport, pod, signal);
  }

  holdNodeLease(
    node: string,
    holder: string,
    durationSeconds: number,
    signal: AbortSignal,
  ): Promise<'held' | { by: string }> {
    return holdNodeLease(this.#leaseTools(), node, holder, durationSeconds, signal);
  }

  releaseNodeLease(node: string, holder: string, signal: AbortSignal): Promise<void> {
    return releaseNodeLease(this.#leaseTools(), node, holder, signal);
  }

  async announce(node: string, reason: string, message: string, signal: AbortSignal): Promise<void> {
    const uid = this.#watched.knownNode(node)?.uid ?? node;
    const body = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',

      metadata: { name: `pitcrew-${randomUUID()}`, namespace: eventNamespace },
      eventTime: new Date(this.#options.clock.nowMs()).toISOString().replace('Z', '000Z'),
      regarding: { apiVersion: 'v1', kind: 'Node', name: node, uid },
      type: 'Normal',
      reason,
      action: reason,
      note: message.slice(0, noteLengthMax),
      reportingController: 'pitcrew.dev/daemon',
      reportingInstance: this.#options.instance,
    };
    try {
      const request = { verb: 'create', resource: 'events', path: paths.events(eventNamespace), body } as const;
      await this.#transport.json(request, signal);
    } catch (error) {
      // An Event is a courtesy: maintenance never stops because it could not be told. Whoever stops us still may.
      if (!(error instanceof MaintenanceError)) throw error;
      this.#options.logger.warn({ node, reason, error: error.message }, 'event on the node could not be written');
    }
  }

  readObjects(signal: AbortSignal): Promise<ClusterObjects> {
    return readObjects(this.#transport, signal);
  }

  missingRights(signal: AbortSignal): Promise<Right[]> {
    return missingRights(this.#transport, this.#options.leaseNamespace, signal);
  }

  async version(signal: AbortSignal): Promise<string> {
    const request = { verb: 'get', resource: 'version', path: paths.version } as const;
    return textAt(await this.#transport.json<unknown>(request, signal), 'gitVersion');
  }

  #leaseTools(): { transport: ApiTransport; clock: Clock; namespace: string } {
    return { transport: this.#transport, clock: this.#options.clock, namespace: this.#options.leaseNamespace };
  }
}
