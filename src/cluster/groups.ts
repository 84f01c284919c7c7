/**
 * Pods by node and by owner. Whoever keeps a list of pods up to date may hand such groups along with it; any other list
 * is looked through. Pure.
 */
import type { PodView } from './pod.ts';

/** Names a group; `undefined`: in none. */
type GroupKey = (pod: PodView) => string | undefined;

export interface PodGroups {
  readonly byNode: ReadonlyMap<string, readonly PodView[]>;
  readonly byOwner: ReadonlyMap<string, readonly PodView[]>;
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
  readonly #byNode = new Map<string, readonly PodView[]>();
  readonly #byOwner = new Map<string, readonly PodView[]>();

  /** `before`, `now`: `undefined` where the pod is new, or gone. */
  change(before: PodView | undefined, now: PodView | undefined): void {
    move(this.#byNode, nodeOf, before, now);
    move(this.#byOwner, ownerOf, before, now);
  }

  /** Says that these are the groups of this list, which is not changed any more. */
  attachTo(pods: readonly PodView[]): void {
    if (groupsOfList.has(pods)) return;
    groupsOfList.set(pods, { byNode: new Map(this.#byNode), byOwner: new Map(this.#byOwner) });
  }
}

function move(
  groups: Map<string, readonly PodView[]>,
  keyOf: GroupKey,
  before: PodView | undefined,
  now: PodView | undefined,
): void {
  const [from, to] = [before && keyOf(before), now && keyOf(now)];
  if (from !== undefined) {
    const left = (groups.get(from) ?? []).filter((pod) => pod !== before);
    if (left.length > 0) groups.set(from, left);
    else groups.delete(from);
  }
  if (to !== undefined && now) groups.set(to, [...(groups.get(to) ?? []), now]);
}
