/**
 * Strategic merge patch, for the lists that the served kinds have: a list is merged item by item where its type names a
 * merge key, and replaced as a whole otherwise (`taints` and `tolerations` are, in the real types too).
 */
import { isRecord, type JsonRecord } from '../../cluster/json.ts';

/** By the name of the field; the served kinds give no name two meanings. */
const mergeKeys: Readonly<Record<string, string>> = {
  addresses: 'type',
  conditions: 'type',
  containers: 'name',
  env: 'name',
  ephemeralContainers: 'name',
  hostAliases: 'ip',
  imagePullSecrets: 'name',
  initContainers: 'name',
  ownerReferences: 'uid',
  podIPs: 'ip',
  ports: 'containerPort',
  topologySpreadConstraints: 'topologyKey',
  volumeDevices: 'devicePath',
  volumeMounts: 'mountPath',
  volumes: 'name',
};
const setFields: ReadonlySet<string> = new Set(['finalizers']);

export function strategicMerge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  if (patch['$patch'] === 'replace') return withoutDirectives(patch);
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key.startsWith('$setElementOrder/')) continue;
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const field = key.slice(key.indexOf('/') + 1);
      merged[field] = without(merged[field], value);
    } else if (value === null) delete merged[key];
    else if (isRecord(value) && value['$patch'] === 'delete') delete merged[key];
    else if (Array.isArray(value)) merged[key] = mergeList(key, merged[key], value);
    else merged[key] = strategicMerge(merged[key], value);
  }
  return merged;
}

function withoutDirectives(patch: JsonRecord): JsonRecord {
  const { $patch: _directive, ...kept } = patch;
  return kept;
}

function without(list: unknown, removed: unknown): unknown[] {
  const gone = new Set(Array.isArray(removed) ? (removed as unknown[]) : []);
  return (Array.isArray(list) ? (list as unknown[]) : []).filter((item) => !gone.has(item));
}

function mergeList(field: string, target: unknown, patch: readonly unknown[]): unknown[] {
  const before = Array.isArray(target) ? (target as unknown[]) : [];
  if (setFields.has(field)) return [...before, ...patch.filter((item) => !before.includes(item))];
  const mergeKey = mergeKeys[field];
  if (mergeKey === undefined) return [...patch];
  if (patch.some((item) => isRecord(item) && item['$patch'] === 'replace' && item[mergeKey] === undefined)) {
    return patch.filter((item) => !isRecord(item) || item['$patch'] === undefined);
  }
  const keyOf = (item: unknown): unknown => (isRecord(item) ? item[mergeKey] : item);
  const old = new Map(before.map((item) => [keyOf(item), item]));
  const removed = new Set(patch.filter((item) => isRecord(item) && item['$patch'] === 'delete').map(keyOf));
  const changed = patch
    .filter((item) => !removed.has(keyOf(item)))
    .map((item) => strategicMerge(old.get(keyOf(item)) ?? {}, item));
  const named = new Set(patch.map(keyOf));
  const untouched = before.filter((item) => !named.has(keyOf(item)));
  return interleave(untouched, changed, before.map(keyOf), keyOf);
}

/**
 * The order of a real server: an untouched item goes before the patched one only where both were there before and it
 * stood in front; so new items come first.
 */
function interleave(
  untouched: readonly unknown[],
  patched: readonly unknown[],
  before: readonly unknown[],
  keyOf: (item: unknown) => unknown,
): unknown[] {
  const result: unknown[] = [];
  let next = 0;
  for (const item of patched) {
    const position = before.indexOf(keyOf(item));
    const inFront = untouched.slice(next).findIndex((other) => before.indexOf(keyOf(other)) >= position);
    const until = position < 0 ? next : inFront < 0 ? untouched.length : next + inFront;
    result.push(...untouched.slice(next, until), item);
    next = until;
  }
  return [...result, ...untouched.slice(next)];
}
