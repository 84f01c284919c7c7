/**
 * Whether a mover's kind is served, in the version that is known here, and what follows where it is not. Only reads.
 *
 * An upgrade may take a version away while moves are under way. Then the API finds no object of it, and that is no word on
 * what its controller does: a move is over when its object says so, or was taken away while its kind was served.
 */
import type { JsonRecord } from '../cluster/json.ts';
import { podKey } from '../cluster/pod.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Detection, MoveOrder } from '../ports/movers.ts';
import type { ApiObjects, ObjectKind } from '../ports/objects.ts';

export type Missing = Extract<Detection, { kind: 'missing' }>;

export async function whyNotServed(
  objects: ApiObjects,
  kind: ObjectKind,
  signal: AbortSignal,
): Promise<Missing | undefined> {
  if (await objects.serves(kind, signal)) return undefined;
  const { group, version } = kind;
  const versions = await objects.servedVersions(group, signal);
  if (versions.length === 0 || versions.includes(version))
    return { kind: 'missing', because: `${group} is not served` };
  const because = `${group} is served as ${versions.toSorted().join(', ')}, and known here is only ${version}`;
  return { kind: 'missing', because, isWrong: true };
}

/** For a pod that has left while there is no object of its move. */
export function whyUnknown({ hasBegun }: MoveOrder, controller: string): string {
  return hasBegun
    ? `${controller} has nothing on its move any more, so nobody can say what it has kept`
    : `it left by itself before ${controller} had begun`;
}

/**
 * The object that was made for this order; `undefined`: there is none.
 *
 * @throws `evacuation/mover` where its kind is not served: wait, and halt once the move takes longer than it was given
 */
export async function findOwn(
  { objects, clock }: { readonly objects: ApiObjects; readonly clock: Clock },
  kind: ObjectKind,
  order: MoveOrder,
  signal: AbortSignal,
): Promise<JsonRecord | undefined> {
  const found = await objects.get(kind, { namespace: order.pod.namespace, name: order.id }, signal);
  if (found || (await objects.serves(kind, signal))) return found;
  const disposition = clock.nowMs() - order.startedMs < 2 * order.timeoutMs ? 'wait' : 'halt';
  const message = `nobody can say how far the move of ${podKey(order.pod)} is: ${kind.group}/${kind.version} is not served any more`;
  throw new MaintenanceError('evacuation/mover', disposition, message, { details: { move: order.id } });
}
