/**
 * The scheduler: filters by what a node forbids or lacks, then takes the emptiest, and the first by name among equals.
 * A pod that fits nowhere waits, and is looked at again when a node or the room on it changes.
 */
import { parseResources } from '../../../cluster/parse-requests.ts';
import { memoryBytesOf } from '../../../cluster/quantity.ts';
import { noOthers, type Resources } from '../../../cluster/resources.ts';
import { isTolerated } from '../../../cluster/scheduling.ts';
import { kinds } from '../kinds.ts';
import { controllerOf, isFinished, withCondition, type NodeObject, type PodObject } from '../objects.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { boundPod } from '../verbs.ts';
import { requestsOf, Rooms } from './rooms.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';
import { Rules } from './scheduling-rules.ts';

type Room = Resources & { readonly pods: number };

/** Kept by the object that says it, which is shared between versions of a node. */
const roomByAllocatable = new WeakMap<object, Room>();

function allocatableOf({ status }: NodeObject): Room {
  const { allocatable = {} } = status;
  const known = roomByAllocatable.get(allocatable);
  if (known) return known;
  const { pods = '0', ...resources } = allocatable;
  const room: Room = { ...parseResources(resources), pods: memoryBytesOf(pods) };
  roomByAllocatable.set(allocatable, room);
  return room;
}

export class Scheduler implements Controller {
  readonly #context: Context;
  readonly #dirty: DirtyKeys;
  readonly #waiting = new Set<string>();
  readonly #rooms = new Rooms();

  constructor(context: Context) {
    this.#context = context;
    this.#dirty = new DirtyKeys(context.timers, context.times.scheduleMs, (key) => this.#schedule(key));
  }

  onChange(change: Change): void {
    this.#rooms.note(change);
    const { kind, type, object, previous } = change;
    if (kind === kinds.pods) {
      const pod = object as PodObject;
      if (type === 'DELETED') this.#waiting.delete(keyOf(pod));
      if (type !== 'DELETED' && pod.spec.nodeName === undefined) {
        if (type === 'ADDED' || pod.spec !== previous?.spec) this.#dirty.add(keyOf(pod));
      }
      if (type === 'DELETED' || (isFinished(pod) && !isFinished(previous as PodObject))) this.#retry();
      // It may be the one that another has to be together with, or that makes a spread even again.
      const isBound = type === 'MODIFIED' && (previous as PodObject).spec.nodeName !== pod.spec.nodeName;
      if (isBound) this.#retry();
    }
    if (kind === kinds.nodes && type !== 'DELETED' && hasChangedForPods(object as NodeObject, previous)) this.#retry();
  }

  #retry(): void {
    for (const key of this.#waiting) this.#dirty.add(key);
  }

  #schedule(key: string): void {
    const { store, registry } = this.#context;
    const [namespace, name] = splitKey(key);
    const pod = store.get(kinds.pods, namespace, name);
    this.#waiting.delete(key);
    if (!pod || pod.spec.nodeName !== undefined || pod.metadata.deletionTimestamp !== undefined) return;
    const node = this.#choose(pod);
    if (node !== undefined) {
      store.replace(kinds.pods, pod, boundPod(registry, pod, node));
      return;
    }
    this.#waiting.add(key);
    const message = `0/${store.list(kinds.nodes).length} nodes are available`;
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastProbeTime: null };
    registry.setStatus(kinds.pods, pod, {
      ...pod.status,
      conditions: withCondition(pod.status.conditions, { ...condition, lastTransitionTime: registry.now() }),
    });
  }

  #choose(pod: PodObject): string | undefined {
    let best: { name: string; disliked: number; score: number } | undefined;
    const rules = new Rules(this.#context, pod, this.#rooms.repelling.values());
    // Sorted by name, and only a better one takes over: ties fall to the first name.
    for (const node of this.#context.store.list(kinds.nodes)) {
      const score = this.#score(pod, node);
      if (score === undefined) continue;
      const disliked = dislikesOf(pod, node);
      const isBetter = !best || disliked < best.disliked || (disliked === best.disliked && score > best.score);
      // Asked last, because it costs most.
      if (isBetter && rules.allows(node)) best = { name: node.metadata.name, disliked, score };
    }
    return best?.name;
  }

  /** Free share of the node with the pod on it, less for every sibling that is there; `undefined`: no room. */
  #score(pod: PodObject, node: NodeObject): number | undefined {
    const total = allocatableOf(node);
    const used = this.#rooms.on(node.metadata.name);
    const { cpuMillis, memoryBytes, others } = requestsOf(pod);
    const room = {
      cpuMillis: total.cpuMillis - used.cpuMillis - cpuMillis,
      memoryBytes: total.memoryBytes - used.memoryBytes - memoryBytes,
      pods: total.pods - used.pods - 1,
    };
    const siblings = used.byOwner.get(controllerOf(pod)?.uid ?? '') ?? 0;
    const isFull = room.pods < 0 || (cpuMillis > 0 && room.cpuMillis < 0) || (memoryBytes > 0 && room.memoryBytes < 0);
    if (isFull || this.#lacks(node, total, others)) return undefined;
    const free = (shareOf(room.cpuMillis, total.cpuMillis) + shareOf(room.memoryBytes, total.memoryBytes)) / 2;
    return Math.round(free * 100) - 20 * siblings;
  }

  /** Whether the node is short of anything that hardly any pod asks for. */
  #lacks(node: NodeObject, total: Room, wanted: Resources['others']): boolean {
    if (wanted === noOthers) return false;
    return Object.entries(wanted).some(([name, amount]) => {
      const pods = [...this.#context.pods.onNode(node.metadata.name).values()].filter((other) => !isFinished(other));
      const used = pods.reduce((sum, other) => sum + (requestsOf(other).others[name] ?? 0), 0);
      return (total.others[name] ?? 0) - used < amount;
    });
  }
}

function shareOf(left: number, total: number): number {
  return total > 0 ? Math.max(0, left) / total : 0;
}

/** `PreferNoSchedule` is no wall, but any other node comes first. */
function dislikesOf(pod: PodObject, node: NodeObject): number {
  const { taints } = node.spec;
  if (!taints) return 0;
  const { tolerations = [] } = pod.spec;
  return taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, tolerations)).length;
}

/** Conditions and annotations change nothing about what fits. */
function hasChangedForPods(node: NodeObject, before: Change['previous']): boolean {
  const previous = before as NodeObject | undefined;
  return (
    node.spec !== previous?.spec ||
    node.metadata.labels !== previous.metadata.labels ||
    node.status.allocatable !== previous.status.allocatable
  );
}
