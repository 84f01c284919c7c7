/**
 * How a replicated pod is marked as taken out of its ReplicaSet: its `pod-template-hash` gets a suffix, so the
 * ReplicaSet no longer selects it, and the hash of before can still be read from it. Pure.
 */

export const templateHashLabel = 'pod-template-hash';
const suffix = '-released';

export function releasedHash(hash: string): string {
  return hash.endsWith(suffix) ? hash : `${hash}${suffix}`;
}

/** The hash of the ReplicaSet that a pod belongs to, or belonged to before it was released. */
export function originalHash(hash: string): string {
  return hash.endsWith(suffix) ? hash.slice(0, -suffix.length) : hash;
}

export function isReleased(labels: Readonly<Record<string, string>>): boolean {
  return labels[templateHashLabel]?.endsWith(suffix) ?? false;
}
