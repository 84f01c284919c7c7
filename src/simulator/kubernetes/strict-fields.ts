/**
 * `fieldValidation=Strict`, as far as the table of kinds knows fields: the top level, `metadata`, and the first level
 * of `spec`. It never looks deeper: a full schema is what a real server has.
 */
import { isRecord } from '../../cluster/json.ts';
import type { Kind } from './kinds.ts';

const metadataFields: ReadonlySet<string> = new Set([
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
]);
const commonFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

/** The path of the first field that nobody knows. */
export function unknownField(kind: Kind, body: unknown): string | undefined {
  if (!isRecord(body) || !kind.specFields) return undefined;
  return (
    firstUnknown(body, commonFields, '') ??
    firstUnknown(body['metadata'], metadataFields, 'metadata.') ??
    firstUnknown(body['spec'], kind.specFields, 'spec.')
  );
}

function firstUnknown(value: unknown, known: ReadonlySet<string>, prefix: string): string | undefined {
  if (!isRecord(value)) return undefined;
  const field = Object.keys(value).find((key) => !known.has(key) && !key.startsWith('$'));
  return field === undefined ? undefined : `${prefix}${field}`;
}

/** A value as Go prints a map: that is how the message of a real server quotes the patch. */
export function goFormat(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goFormat).join(' ')}]`;
  if (isRecord(value)) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, entry]) => `${key}:${goFormat(entry)}`).join(' ')}]`;
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? `${value}` : '<nil>';
}
