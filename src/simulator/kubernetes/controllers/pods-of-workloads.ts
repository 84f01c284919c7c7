/** What the workload controllers have in common: making pods from a template, counting them, letting one go. */
import { controllerOf, isPodReady, type ApiObject, type OwnerReference, type PodObject } from '../objects.ts';
import type { PodTemplate, PodSpec } from '../objects.ts';
import { Refusal } from '../refusal.ts';
import { kinds } from '../kinds.ts';
import type { Context } from './context.ts';

export function ownerReferenceTo(owner: ApiObject): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: true };
}

export interface PodRequest {
  readonly owner: ApiObject;
  readonly template: PodTemplate;
  /** Without a name, one is generated. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Partial<PodSpec> & Readonly<Record<string, unknown>>;
}

/** `undefined` where the API refused, e.g. because the namespace is going. */
export function createPod({ registry }: Context, request: PodRequest): PodObject | undefined {
  const { owner, template } = request;
  const annotations = template.metadata?.annotations;
  try {
    return registry.create(kinds.pods, owner.metadata.namespace ?? '', {
      metadata: {
        ...(request.name !== undefined && { name: request.name }),
        generateName: `${owner.metadata.name}-`,
        labels: { ...template.metadata?.labels, ...request.labels },
        ...(annotations && { annotations }),
        ownerReferences: [ownerReferenceTo(owner)],
      },
      spec: { ...template.spec, ...request.spec },
    });
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** Asks nothing again: the pod may have gone since it was looked at. */
export function deletePod({ registry, store }: Context, pod: PodObject): void {
  const current = store.get(kinds.pods, pod.metadata.namespace, pod.metadata.name);
  if (current?.metadata.uid === pod.metadata.uid) registry.delete(kinds.pods, current);
}

export function isLeaving(object: ApiObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

export function countReady(pods: readonly PodObject[]): number {
  return pods.filter(isPodReady).length;
}

/** The keys of the controlling owners of a changed object, if they are of this kind: before the change, and after it. */
export function ownersOf(kind: string, object: ApiObject, previous: ApiObject | undefined): readonly string[] {
  const now = ownerOf(kind, object);
  // Nearly always the owners are the same list.
  const isSame = previous === undefined || previous.metadata.ownerReferences === object.metadata.ownerReferences;
  const before = isSame ? now : ownerOf(kind, previous);
  return before === now ? now : [...before, ...now];
}

const nobody: readonly string[] = [];

function ownerOf(kind: string, object: ApiObject): readonly string[] {
  const owner = controllerOf(object);
  return owner?.kind === kind ? [`${object.metadata.namespace ?? ''}/${owner.name}`] : nobody;
}

/** A short name for a template, from its content alone, so that the same template always has the same. */
export function templateHash(template: unknown): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789';
  const text = JSON.stringify(template);
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  let name = '';
  for (let length = 0; length < 9; length += 1) {
    name += letters.charAt(hash % letters.length);
    hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995) >>> 0;
  }
  return name;
}
