/**
 * A live mover none of whose moves gets through: each ends with the pod back on its server, its object made anew, so that it has
 * another uid, as the built-in mover does it. Whatever it knows lies in the world, so that any daemon can go on with it.
 */
import { moveAnnotation } from '../../src/cluster/placement.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { Assessment, CancelAnswer, Detection, MoveOrder, MoveProgress, PodMover } from '../../src/ports/movers.ts';
import { kinds, type Draft } from '../../src/simulator/kubernetes/kinds.ts';
import type { PodObject } from '../../src/simulator/kubernetes/objects.ts';
import type { Memories } from '../../src/simulator/migrators/memories.ts';
import type { World } from '../../src/simulator/world.ts';

/** What it says of a move that nobody takes back; or it takes it back by itself, the first time that it is asked. */
export type Homeward = 'copying' | 'queued' | 'itself';

export class HomecomingMover implements PodMover {
  readonly name = 'criu';
  readonly #world: World;
  readonly #memories: Memories;
  readonly #way: Homeward;
  readonly #isThere: () => boolean;

  constructor(world: World, memories: Memories, way: Homeward, isThere: () => boolean) {
    this.#world = world;
    this.#memories = memories;
    this.#way = way;
    this.#isThere = isThere;
  }

  detect(): Promise<Detection> {
    const ready: Detection = { kind: 'ready', text: '' };
    return Promise.resolve(this.#isThere() ? ready : { kind: 'missing', because: 'not installed yet' });
  }

  assess({ owner }: PodView): Assessment {
    if (owner?.kind === 'DaemonSet') return { kind: 'other' };
    return { kind: 'able', promise: 'everything', predictedMs: 5_000, timeoutMs: 60_000 };
  }

  advance(order: MoveOrder): Promise<MoveProgress> {
    if (this.#way === 'itself') {
      return Promise.resolve({ kind: 'rolledBack', because: 'no room', uid: this.#comeBack(order) });
    }
    const waiting: MoveProgress = { kind: 'queued', waitingFor: 'its turn' };
    return Promise.resolve(this.#way === 'queued' ? waiting : { kind: 'copying', note: 'copying memory' });
  }

  cancel(order: MoveOrder): Promise<CancelAnswer> {
    return Promise.resolve({ kind: 'cancelled', uid: this.#comeBack(order), price: 'its connections are gone' });
  }

  /** A replica gets another name as well. Asked again, it finds what it has made. */
  #comeBack({ id, pod, source }: MoveOrder): string {
    const { store, registry } = this.#world.api;
    const pods = store.list(kinds.pods).filter(({ metadata }) => metadata.namespace === pod.namespace);
    const back = pods.find(({ metadata }) => metadata.annotations?.[moveAnnotation] === `${id}-back`);
    if (back) return back.metadata.uid;
    const before = pods.find(({ metadata }) => metadata.uid === pod.uid);
    if (!before) throw new Error(`${pod.name} is neither there nor back`);
    registry.delete(kinds.pods, before, { gracePeriodSeconds: 0 });
    const { uid } = registry.create(kinds.pods, pod.namespace, madeAnew(before, `${id}-back`, source)).metadata;
    this.#memories.handOver(pod.uid, uid);
    return uid;
  }
}

function madeAnew({ metadata, spec }: PodObject, id: string, node: string): Draft {
  const { labels, ownerReferences, generateName, name } = metadata;
  const annotations = { ...metadata.annotations, [moveAnnotation]: id };
  return {
    metadata: { ...(generateName === undefined ? { name } : { generateName }), labels, ownerReferences, annotations },
    spec: { ...spec, nodeName: node },
  };
}
