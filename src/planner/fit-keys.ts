/**
 * Keys of pods and claims for the model of room, reckoned once per view: a run makes the model again and again, of mostly
 * the same views. Pure: a view is a value, and its key never changes.
 */
import type { PodView } from '../cluster/pod.ts';
import type { ClaimView } from '../cluster/storage.ts';

/** Objects are told apart by a number: those of one template are one object. */
const numbers = new WeakMap<object, number>();
let numbersGiven = 0;

export function numberOf(thing: object): number {
  const known = numbers.get(thing);
  if (known !== undefined) return known;
  numbersGiven += 1;
  numbers.set(thing, numbersGiven);
  return numbersGiven;
}

export function ruleKey({ placement, namespace, tolerations }: PodView): string {
  return `${numberOf(placement)} ${namespace} ${numberOf(tolerations)}`;
}

/** Views are values, and a model is made again and again of mostly the same ones. */
const podKeys = new WeakMap<PodView, string>();

export function keyOfPod(pod: PodView): string {
  const known = podKeys.get(pod);
  if (known !== undefined) return known;
  const { cpuMillis, memoryBytes, others } = pod.requests;
  let key = `${ruleKey(pod)} ${cpuMillis} ${memoryBytes}`;
  for (const name in others) key += ` ${name}=${others[name]}`;
  podKeys.set(pod, key);
  return key;
}

/** The keys of a pod's claims, as of its own key: reckoned once. */
const claimKeys = new WeakMap<PodView, readonly string[]>();

export function claimKeysOf(pod: PodView): readonly string[] {
  const known = claimKeys.get(pod);
  if (known) return known;
  const keys = pod.volumes.flatMap(({ claim }) => (claim === undefined ? [] : [`${pod.namespace}/${claim}`]));
  claimKeys.set(pod, keys);
  return keys;
}

/** A list of claims is never changed, and changes more seldom than the pods do. */
const claimsByKey = new WeakMap<readonly ClaimView[], ReadonlyMap<string, ClaimView>>();

export function claimsInOrder(claims: readonly ClaimView[]): ReadonlyMap<string, ClaimView> {
  const known = claimsByKey.get(claims);
  if (known) return known;
  const made = new Map(claims.map((claim) => [`${claim.namespace}/${claim.name}`, claim]));
  claimsByKey.set(claims, made);
  return made;
}
