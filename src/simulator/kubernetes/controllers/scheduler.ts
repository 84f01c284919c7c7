/**
 * The scheduler: filters by what a node forbids or lacks, then takes the emptiest, and the first by name among equals.
 * A pod that fits nowhere waits, and is looked at again when a node or the room on it changes.
 */
import { parseResources } from '../../../cluster/parse-requests.ts';
import { memoryBytesOf } from '../../../cluster/quantity.ts';
import { noOthers, type Resources } from '../../../cluster/resources.ts';
import { isTolerated } from '../../../cluster/scheduling.ts';
import { kinds } from '../kinds.ts';
import {
  controllerOf,
  isFinished,
  withCondition,
  type NodeObject,
  type PodObject,
  type TaintObject,
} from '../objects.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { boundPod } from '../verbs.ts';
import { requestsOf, Rooms } from './rooms.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';
import { Rules } from './scheduling-rules.ts';

/** What the scheduler wants to know of a node, whatever runs there. */
interface Place {
  readonly name: string;
  readonly room: Resources & { readonly pods: number };
  /** No walls, but any other node comes first. */
  readonly dislikes: readonly TaintObject[];
}

/** Objects are values, so what was read from one stays true. */
const places = new WeakMap<NodeObject, Place>();

function placeOf(node: NodeObject): Place {
  const known = places.get(node);
  if (known) return known;
  const { pods = '0', ...resources } = node.status.allocatable ?? {};
  const place: Place = {
    name: node.metadata.name,
    room: { ...parseResources(resources), pods: memoryBytesOf(pods) },
    dislikes: (node.spec.taints ?? []).filter(({ effect }) => effect === 'PreferNoSchedule'),
  };
  places.set(node, place);
  return place;
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
    const { tolerations = [] } = pod.spec;
    const owner = controllerOf(pod)?.uid ?? '';
    const wanted = requestsOf(pod);
    // Sorted by name, and only a better one takes over: ties fall to the first name.
    for (const node of this.#context.store.list(kinds.nodes)) {
      const place = placeOf(node);
      const disliked = place.dislikes.filter((taint) => !isTolerated(taint, tolerations)).length;
      if (best && disliked > best.disliked) continue;
      const score = this.#score(place, wanted, owner);
      if (score === undefined || (disliked === best?.disliked && score <= best.score)) continue;
      // Asked last, because it costs most.
      if (rules.allows(node)) best = { name: place.name, disliked, score };
    }
    return best?.name;
  }

  /** Free share of the node with the pod on it, less for every sibling that is there; `undefined`: no room. */
  #score(
    { name, room: total }: Place,
    { cpuMillis, memoryBytes, others }: Resources,
    owner: string,
  ): number | undefined {
    const used = this.#rooms.on(name);
    const cpuLeft = total.cpuMillis - used.cpuMillis - cpuMillis;
    const memoryLeft = total.memoryBytes - used.memoryBytes - memoryBytes;
    const isFull = total.pods - used.pods < 1 || (cpuMillis > 0 && cpuLeft < 0) || (memoryBytes > 0 && memoryLeft < 0);
    if (isFull || this.#lacks(name, total, others)) return undefined;
    const free = (shareOf(cpuLeft, total.cpuMillis) + shareOf(memoryLeft, total.memoryBytes)) / 2;
    return Math.round(free * 100) - 20 * (used.byOwner.get(owner) ?? 0);
  }

  /** Whether the node is short of anything that hardly any pod asks for. */
  #lacks(node: string, total: Resources, wanted: Resources['others']): boolean {
    if (wanted === noOthers) return false;
    return Object.entries(wanted).some(([name, amount]) => {
      const pods = [...this.#context.pods.onNode(node).values()].filter((other) => !isFinished(other));
      const used = pods.reduce((sum, other) => sum + (requestsOf(other).others[name] ?? 0), 0);
      return (total.others[name] ?? 0) - used < amount;
    });
  }
}

function shareOf(left: number, total: number): number {
  return total > 0 ? Math.max(0, left) / total : 0;
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
