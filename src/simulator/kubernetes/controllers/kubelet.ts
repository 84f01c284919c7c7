/**
 * One kubelet per node that has a machine: it reports while the machine is up, starts and ends the pods of its node, and
 * is silent with everything on it when the machine is not up.
 *
 * It never decides what a silent node means; the node lifecycle does.
 */
import { parseDurationMs } from '../../../spec/values.ts';
import type { Machine } from '../../machine.ts';
import { kinds } from '../kinds.ts';
import {
  isFinished,
  withCondition,
  type ApiObject,
  type ContainerStatus,
  type NodeObject,
  type PodObject,
} from '../objects.ts';
import { Refusal } from '../refusal.ts';
import type { Change } from '../store.ts';
import type { Context, Controller } from './context.ts';

/** How long a pod takes from running to Ready, as the pod itself says; for slow starters in demos and tests. */
export const readyAfterAnnotation = 'lab.pitcrew.dev/ready-after';
/** A pod that ends by itself, like that of a Job. */
export const completesAfterAnnotation = 'lab.pitcrew.dev/completes-after';

interface Kubelet {
  readonly node: string;
  readonly machine: Machine;
  readonly capacity: Readonly<Record<string, string>>;
  /** Grows with every start and stop, so that what an earlier kubelet meant to do is not done. */
  epoch: number;
  isRunning: boolean;
}

export interface KubeletListener {
  onKubelet(node: string, isRunning: boolean): void;
}

export class Kubelets implements Controller {
  readonly #context: Context;
  readonly #listener: KubeletListener;
  readonly #kubelets = new Map<string, Kubelet>();
  /** Pods that a timer is already set for, by uid and purpose. */
  readonly #pending = new Set<string>();
  /** In which boot of its machine the containers of a pod were started, by uid: a later boot starts them anew. */
  readonly #bootByPod = new Map<string, number>();
  #addresses = 0;

  constructor(context: Context, listener: KubeletListener) {
    this.#context = context;
    this.#listener = listener;
  }

  /** The node object has to exist; its kubelet reports at once if the machine is up. */
  add(node: string, machine: Machine, capacity: Readonly<Record<string, string>>): void {
    const kubelet: Kubelet = { node, machine, capacity, epoch: 0, isRunning: false };
    this.#kubelets.set(node, kubelet);
    machine.onChange(() => this.#onMachine(kubelet));
    // What runs there already was started in this boot, and is not started anew.
    for (const pod of this.#context.pods.onNode(node).values()) {
      if (pod.status.phase === 'Running') this.#bootByPod.set(pod.metadata.uid, machine.boots);
    }
    if (machine.system === 'up') this.#start(kubelet);
  }

  onChange({ kind, type, object }: Change): void {
    if (kind === kinds.volumeAttachments && type === 'MODIFIED') this.#onAttached(object);
    if (kind !== kinds.pods) return;
    if (type === 'DELETED') {
      this.#bootByPod.delete(object.metadata.uid);
      return;
    }
    const pod = object as PodObject;
    const kubelet = this.#kubelets.get(pod.spec.nodeName ?? '');
    if (kubelet?.isRunning === true) this.#attend(kubelet, pod);
  }

  #onAttached(attachment: ApiObject): void {
    const kubelet = this.#kubelets.get((attachment.spec as { nodeName: string }).nodeName);
    if (kubelet?.isRunning !== true) return;
    for (const pod of this.#context.pods.onNode(kubelet.node).values()) this.#attend(kubelet, pod);
  }

  /** Whether what the pod's status says can be true: its machine is up, and so is its kubelet. */
  isServing(pod: PodObject): boolean {
    return this.#kubelets.get(pod.spec.nodeName ?? '')?.isRunning === true;
  }

  #onMachine(kubelet: Kubelet): void {
    kubelet.epoch += 1;
    const { epoch } = kubelet;
    if (kubelet.machine.system !== 'up') {
      if (kubelet.isRunning) this.#stop(kubelet);
      return;
    }
    this.#context.timers.after(this.#context.times.kubeletStartMs, () => {
      if (kubelet.epoch === epoch) this.#start(kubelet);
    });
  }

  #stop(kubelet: Kubelet): void {
    kubelet.isRunning = false;
    for (const pod of this.#context.pods.onNode(kubelet.node).values()) this.#setReady(pod, false);
    this.#listener.onKubelet(kubelet.node, false);
  }

  #start(kubelet: Kubelet): void {
    kubelet.isRunning = true;
    this.#report(kubelet);
    this.#renewLease(kubelet.node);
    this.#listener.onKubelet(kubelet.node, true);
    for (const pod of this.#context.pods.onNode(kubelet.node).values()) this.#attend(kubelet, pod);
  }

  #report({ node, machine, capacity }: Kubelet): void {
    const { store, registry } = this.#context;
    const current = store.get(kinds.nodes, undefined, node);
    if (!current) return;
    const now = registry.now();
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
    const status: NodeObject['status'] = {
      ...current.status,
      capacity: current.status.capacity ?? capacity,
      allocatable: current.status.allocatable ?? capacity,
      conditions: withCondition(current.status.conditions, {
        ...ready,
        lastHeartbeatTime: now,
        lastTransitionTime: now,
      }),
      nodeInfo: {
        ...current.status.nodeInfo,
        bootID: machine.bootId,
        kernelVersion: machine.kernel,
        machineID: machine.name,
        systemUUID: machine.name,
        osImage: 'Debian GNU/Linux 13 (trixie)',
        architecture: 'amd64',
        operatingSystem: 'linux',
        containerRuntimeVersion: 'containerd://2.1.9',
        kubeletVersion: 'v1.36.2',
      },
    };
    registry.setStatus(kinds.nodes, current, status);
  }

  /** The heartbeat that others look at. Renewed on each start only: nothing here polls. */
  #renewLease(node: string): void {
    const { store, registry } = this.#context;
    const namespace = 'kube-node-lease';
    if (!store.get(kinds.namespaces, undefined, namespace)) return;
    const spec = {
      holderIdentity: node,
      leaseDurationSeconds: 40,
      renewTime: `${registry.now().slice(0, -1)}.000000Z`,
    };
    const found = store.get(kinds.leases, namespace, node);
    if (found) store.replace(kinds.leases, found, { ...found, spec });
    else registry.create(kinds.leases, namespace, { metadata: { name: node }, spec });
  }

  /** What this pod needs next, if nothing is on the way already. */
  #attend(kubelet: Kubelet, pod: PodObject): void {
    const { times } = this.#context;
    if (pod.metadata.deletionTimestamp !== undefined) {
      // It has ended already, and is only still there for whoever set a finalizer.
      if (pod.metadata.deletionGracePeriodSeconds === 0 && (pod.metadata.finalizers?.length ?? 0) > 0) return;
      const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
      this.#once(kubelet, pod, 'end', isFinished(pod) ? 0 : Math.min(graceMs, times.podStopMs), (now) =>
        this.#end(now),
      );
      return;
    }
    if (isFinished(pod)) return;
    if (this.#bootByPod.get(pod.metadata.uid) === kubelet.machine.boots) return;
    this.#once(kubelet, pod, 'start', times.podStartMs, (now) => this.#startPod(kubelet, now));
  }

  /** One timer per pod and purpose, void when the kubelet has stopped or the pod is another one. */
  #once(kubelet: Kubelet, pod: PodObject, purpose: string, delayMs: number, act: (pod: PodObject) => void): void {
    const key = `${pod.metadata.uid} ${purpose} ${kubelet.epoch}`;
    if (this.#pending.has(key)) return;
    this.#pending.add(key);
    const { epoch } = kubelet;
    this.#context.timers.after(delayMs, () => {
      this.#pending.delete(key);
      const now = this.#context.store.get(kinds.pods, pod.metadata.namespace, pod.metadata.name);
      if (now?.metadata.uid === pod.metadata.uid && kubelet.epoch === epoch && kubelet.isRunning) act(now);
    });
  }

  #startPod(kubelet: Kubelet, pod: PodObject): void {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    // Looked at again when something is attached to the node.
    if (!this.#areVolumesAttached(pod)) return;
    const { registry } = this.#context;
    const now = registry.now();
    const before = pod.status.containerStatuses;
    const containerStatuses = pod.spec.containers.map((container, at): ContainerStatus => ({
      name: container.name,
      state: { running: { startedAt: now } },
      lastState: before ? { terminated: { exitCode: 255, reason: 'Unknown', finishedAt: now } } : {},
      ready: false,
      restartCount: before ? (before[at]?.restartCount ?? 0) + 1 : 0,
      image: container.image,
      imageID: 'sha256:0',
      containerID: `containerd://${pod.metadata.uid.replaceAll('-', '')}`,
      started: true,
    }));
    const podIP = pod.status.podIP ?? this.#nextAddress();
    const conditions = ['Initialized', 'ContainersReady', 'Ready'].reduce(
      (list, type) => withCondition(list, plainCondition(type, type === 'Initialized', now)),
      pod.status.conditions ?? [],
    );
    const status = { phase: 'Running', hostIP: '192.0.2.1', podIP, podIPs: [{ ip: podIP }], startTime: now };
    this.#bootByPod.set(pod.metadata.uid, kubelet.machine.boots);
    registry.setStatus(kinds.pods, pod, { ...pod.status, ...status, conditions, containerStatuses });
    const readyMs = delayFrom(pod, readyAfterAnnotation) ?? this.#context.times.podReadyMs;
    this.#once(kubelet, pod, 'ready', readyMs, (latest) => this.#setReady(latest, true));
    const completesMs = delayFrom(pod, completesAfterAnnotation);
    if (completesMs !== undefined)
      this.#once(kubelet, pod, 'complete', completesMs, (latest) => this.#complete(latest));
  }

  #areVolumesAttached(pod: PodObject): boolean {
    const claims = (pod.spec.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []);
    if (claims.length === 0) return true;
    const attachments = this.#context.store.list(kinds.volumeAttachments);
    return claims.every((name) => {
      const claim = this.#context.store.get(kinds.persistentVolumeClaims, pod.metadata.namespace, name);
      const volume = (claim?.spec as { volumeName?: string } | undefined)?.volumeName;
      return attachments.some(({ spec, status }) => {
        const { nodeName, source } = spec as { nodeName: string; source: { persistentVolumeName: string } };
        const isHere = nodeName === pod.spec.nodeName && source.persistentVolumeName === volume;
        return isHere && (status as { attached: boolean }).attached;
      });
    });
  }

  #setReady(pod: PodObject, isReady: boolean): void {
    if (isFinished(pod) || pod.status.containerStatuses === undefined) return;
    const { registry } = this.#context;
    const now = registry.now();
    const conditions = ['ContainersReady', 'Ready'].reduce(
      (list, type) => withCondition(list, plainCondition(type, isReady, now)),
      pod.status.conditions ?? [],
    );
    const containerStatuses = pod.status.containerStatuses.map((container) => ({ ...container, ready: isReady }));
    registry.setStatus(kinds.pods, pod, { ...pod.status, conditions, containerStatuses });
  }

  #complete(pod: PodObject): void {
    this.#context.registry.setStatus(kinds.pods, pod, {
      ...pod.status,
      phase: 'Succeeded',
      conditions: withCondition(pod.status.conditions, plainCondition('Ready', false, this.#context.registry.now())),
    });
  }

  #end(pod: PodObject): void {
    try {
      this.#context.registry.delete(kinds.pods, pod, { gracePeriodSeconds: 0, uid: pod.metadata.uid });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  #nextAddress(): string {
    this.#addresses += 1;
    return `10.244.${Math.floor(this.#addresses / 250) % 250}.${(this.#addresses % 250) + 1}`;
  }
}

function delayFrom(pod: PodObject, annotation: string): number | undefined {
  const text = pod.metadata.annotations?.[annotation];
  return text === undefined ? undefined : parseDurationMs(text);
}

function plainCondition(
  type: string,
  isTrue: boolean,
  now: string,
): { type: string; status: string; lastProbeTime: null; lastTransitionTime: string } {
  return { type, status: isTrue ? 'True' : 'False', lastProbeTime: null, lastTransitionTime: now };
}
