/**
 * Kubernetes objects of any kind, for those who drive other people's controllers: live migrators and admission policies.
 *
 * Reads and writes as they are; what an object means is its reader's business. Every method may be called any number of times.
 */
import type { JsonRecord } from '../cluster/json.ts';

export interface ObjectKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural, as in the path: `migrations`. */
  readonly resource: string;
}

export interface ObjectPlace {
  /** Empty for kinds that lie in no namespace. */
  readonly namespace: string;
  readonly name: string;
}

export interface ApiObjects {
  /** Whether the API server serves this kind just now, asked of its discovery. */
  serves(kind: ObjectKind, signal: AbortSignal): Promise<boolean>;
  /** The versions in which it serves this group, none where it does not; not for the core group. */
  servedVersions(group: string, signal: AbortSignal): Promise<string[]>;
  get(kind: ObjectKind, place: ObjectPlace, signal: AbortSignal): Promise<JsonRecord | undefined>;
  /** All of them, in all namespaces where none is named; a selector is written as `app=web,tier!=cache`. */
  list(
    kind: ObjectKind,
    where: { readonly namespace?: string; readonly labelSelector?: string },
    signal: AbortSignal,
  ): Promise<JsonRecord[]>;
  /**
   * `exists`: there is one of this name already, which was left as it is.
   *
   * @throws `cluster/refused` where validation or a webhook says no, `cluster/forbidden` where a right is missing
   */
  create(kind: ObjectKind, namespace: string, body: JsonRecord, signal: AbortSignal): Promise<'created' | 'exists'>;
  /** What admission would make of it: nothing is stored (`dryRun=All`). */
  preview(kind: ObjectKind, namespace: string, body: JsonRecord, signal: AbortSignal): Promise<JsonRecord>;
  /**
   * With a uid precondition. `asked`: it may stay for a while yet, for its finalizers. A grace period of 0 takes a pod's
   * object away at once, whatever its kubelet says.
   */
  remove(
    kind: ObjectKind,
    place: ObjectPlace,
    uid: string,
    signal: AbortSignal,
    gracePeriodSeconds?: number,
  ): Promise<'asked' | 'gone'>;
}
