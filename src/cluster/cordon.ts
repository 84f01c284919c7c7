/**
 * Who cordoned a node, and what may be written on it. Pure; used by everything that speaks to a Kubernetes API.
 *
 * The annotation alone proves nothing: `kubectl uncordon` leaves it behind, and whoever cordons the node next would seem to
 * be us. The API server itself notes who wrote a field last (`metadata.managedFields`, see "Field management" in the
 * Kubernetes documentation of server-side apply); a cordon is ours only if nobody else is named for it there.
 */
import { flagAt, isRecord, listAt, recordAt, textAt, textsAt } from './json.ts';
import { ownerAnnotation, reasonAnnotation, type Cordon } from './node.ts';

/** Under which name we write; it stands in `managedFields`. */
export const fieldManager = 'pitcrew';
/** The API server's name for "somebody, before this was kept": it tells nothing. */
const nobody = 'before-first-apply';

export function cordonOf(node: unknown): Cordon {
  if (!flagAt(recordAt(node, 'spec'), 'unschedulable')) return { kind: 'none' };
  const metadata = recordAt(node, 'metadata');
  const runId = namedRun(node);
  if (runId === '' || isWrittenByOthers(metadata)) return { kind: 'foreign' };
  return { kind: 'ours', runId, reason: textsAt(metadata, 'annotations')[reasonAnnotation] ?? '' };
}

/** The run that the annotation names, whatever that is worth. */
function namedRun(node: unknown): string {
  return textsAt(recordAt(node, 'metadata'), 'annotations')[ownerAnnotation] ?? '';
}

/** Where the server keeps no such notes, or somebody has thrown them away, nobody is named, and the annotation counts. */
function isWrittenByOthers(metadata: unknown): boolean {
  return listAt(metadata, 'managedFields')
    .filter((entry) => isRecord(recordAt(recordAt(entry, 'fieldsV1'), 'f:spec')['f:unschedulable']))
    .map((entry) => textAt(entry, 'manager'))
    .some((manager) => manager !== fieldManager && manager !== nobody);
}

interface NodeChange {
  readonly annotations: Readonly<Record<string, string | null>>;
  readonly spec: { readonly unschedulable?: true | null };
}

/** To be written in one piece, only over the version that was read; or why not. */
export function cordonChange(
  node: unknown,
  runId: string,
  reason: string,
): { readonly change: NodeChange } | { readonly answer: { kind: 'alreadyOurs' } | { kind: 'foreign'; by: string } } {
  const cordon = cordonOf(node);
  switch (cordon.kind) {
    case 'none': {
      const annotations = { [ownerAnnotation]: runId, [reasonAnnotation]: reason };
      return { change: { annotations, spec: { unschedulable: true } } };
    }
    case 'ours':
      return { answer: cordon.runId === runId ? { kind: 'alreadyOurs' } : { kind: 'foreign', by: cordon.runId } };
    case 'foreign':
      return { answer: { kind: 'foreign', by: 'unknown' } };
  }
}

/**
 * Takes our cordon away, and our name with it. A name of ours that is left over goes alone: where somebody else has
 * lifted the cordon, or has put up one of their own since.
 */
export function uncordonChange(
  node: unknown,
  runId: string,
): { readonly answer: 'uncordoned' | 'notCordoned' | 'notOurs'; readonly change?: NodeChange } {
  const cordon = cordonOf(node);
  const annotations = { [ownerAnnotation]: null, [reasonAnnotation]: null };
  if (cordon.kind === 'ours' && cordon.runId === runId) {
    return { answer: 'uncordoned', change: { annotations, spec: { unschedulable: null } } };
  }
  const answer = cordon.kind === 'none' ? 'notCordoned' : 'notOurs';
  return namedRun(node) === runId ? { answer, change: { annotations, spec: {} } } : { answer };
}
