/**
 * Pods by node and by owner. Whoever keeps a list of pods up to date may hand such groups along with it; any other list
 * is looked through. Pure.
 */
import type { PodView } from './pod.ts';

/** Names a group; `undefined`: in none. */
type GroupKey = (pod: PodView) => string | undefined;

type Groups = Pick<ReadonlyMap<string, readonly PodView[]>, 'get'>;

interface PodGroups {
  readonly byNode: Groups;
  readonly byOwner: Groups;
}

/** A list that was handed out is never changed, so what was said of it stays true. */
const groupsOfList = new WeakMap<readonly PodView[], PodGroups>();

const nodeOf: GroupKey = ({ node }) => (node === '' ? undefined : node);
const ownerOf: GroupKey = ({ namespace, owner }) => owner && ownerKey(namespace, owner);

function ownerKey(namespace: string, owner: { readonly kind: string; readonly name: string }): string {
  return `${namespace} ${owner.kind} ${owner.name}`;
}

export function podsOnNode(pods: readonly PodView[], node: string): readonly PodView[] {
  const groups = groupsOfList.get(pods);
  return groups ? (groups.byNode.get(node) ?? []) : pods.filter((pod) => pod.node === node);
}

/** Those that this controlling owner has. */
export function podsOfOwner(
  pods: readonly PodView[],
  namespace: string,
  { kind, name }: { readonly kind: string; readonly name: string },
): readonly PodView[] {
  const groups = groupsOfList.get(pods);
  if (groups) return groups.byOwner.get(ownerKey(namespace, { kind, name })) ?? [];
  return pods.filter((pod) => pod.owner?.name === name && pod.owner.kind === kind && pod.namespace === namespace);
}

/** Groups that follow a list change by change. */
export class GroupedPods {
  readonly #byNode = new GroupMap();
  readonly #byOwner = new GroupMap();

  /** `before`, `now`: `undefined` where the pod is new, or gone. */
  change(before: PodView | undefined, now: PodView | undefined): void {
    move(this.#byNode, nodeOf, before, now);
    move(this.#byOwner, ownerOf, before, now);
  }

  /** Says that these are the groups of this list, which is not changed any more. */
  attachTo(pods: readonly PodView[]): void {
    if (groupsOfList.has(pods)) return;
    groupsOfList.set(pods, { byNode: this.#byNode.snapshot(), byOwner: this.#byOwner.snapshot() });
  }
}

const bucketsMax = 256;

/**
 * A map of which a snapshot costs next to nothing, however large it is: it lies in buckets, which snapshots share with it until
 * one is about to change.
 */
class GroupMap {
  readonly #buckets = Array.from({ length: bucketsMax }, () => new Map<string, readonly PodView[]>());
  /** 1: no snapshot has this bucket. */
  readonly #isOwn = new Uint8Array(bucketsMax).fill(1);

  get(key: string): readonly PodView[] | undefined {
    return this.#buckets[bucketOf(key)]?.get(key);
  }

  /** Nobody in it: the group is gone. */
  set(key: string, pods: readonly PodView[]): void {
    const at = bucketOf(key);
    const bucket = this.#isOwn[at] === 1 ? this.#buckets[at] : new Map(this.#buckets[at]);
    if (!bucket) throw new RangeError(`no bucket ${at}`);
    this.#buckets[at] = bucket;
    this.#isOwn[at] = 1;
    if (pods.length > 0) bucket.set(key, pods);
    else bucket.delete(key);
  }

  snapshot(): Groups {
    const buckets = this.#buckets.slice();
    this.#isOwn.fill(0);
    return { get: (key) => buckets[bucketOf(key)]?.get(key) };
  }
}

function bucketOf(key: string): number {
  let hash = 0;
  for (let at = 0; at < key.length; at += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  // The last characters alone would fill few buckets: names are often counted up.
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (bucketsMax - 1);
}

function move(groups: GroupMap, keyOf: GroupKey, before: PodView | undefined, now: PodView | undefined): void {
  const [from, to] = [before && keyOf(before), now && keyOf(now)];
  if (from !== undefined) {
    const here = groups.get(from) ?? [];
    groups.set(
      from,
      here.filter((pod) => pod !== before),
    );
  }
  if (to !== undefined && now) groups.set(to, [...(groups.get(to) ?? []), now]);
}
