/**
 * Which pods carry whose memory: the truth by which a checker judges live migrators. A memory lives in exactly one running
 * pod; a pod that is started anew has a new one.
 */
import { kinds } from '../kubernetes/kinds.ts';
import { isFinished, type PodObject } from '../kubernetes/objects.ts';
import type { Store } from '../kubernetes/store.ts';

export class Memories {
  readonly #store: Store;
  /** By the pod's uid: the uid of the pod in which this memory began. */
  readonly #origin = new Map<string, string>();
  readonly #frozen = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  originOf(uid: string): string {
    return this.#origin.get(uid) ?? uid;
  }

  /** The memory goes on in another pod. */
  handOver(from: string, to: string): void {
    this.#origin.set(to, this.originOf(from));
    this.#frozen.delete(to);
    this.#frozen.add(from);
  }

  freeze(uid: string): void {
    this.#frozen.add(uid);
  }

  thaw(uid: string): void {
    this.#frozen.delete(uid);
  }

  /** Pods in which this memory runs just now: never more than one. */
  runningCopies(origin: string): PodObject[] {
    return this.#store
      .list(kinds.pods)
      .filter((pod) => this.originOf(pod.metadata.uid) === origin && this.#isRunning(pod));
  }

  #isRunning(pod: PodObject): boolean {
    return !isFinished(pod) && pod.status.phase === 'Running' && !this.#frozen.has(pod.metadata.uid);
  }
}
