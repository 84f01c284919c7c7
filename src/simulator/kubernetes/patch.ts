/**
 * The patch types of the API: JSON patch (RFC 6902) and merge patch (RFC 7386). Both give a new value and change none.
 * It never decides which fields may be changed.
 */
import { isRecord } from '../../cluster/json.ts';
import { isEqual } from './equal.ts';
import { badRequest, unprocessable } from './refusal.ts';

/** `null` takes a field away, objects are merged, anything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

interface Operation {
  readonly op: string;
  readonly path: readonly string[];
  readonly from: readonly string[];
  readonly value: unknown;
}

export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: json patch must be a list of operations');
  let value = target;
  for (const operation of patch.map(parseOperation)) value = applyOperation(value, operation);
  return value;
}

function parseOperation(operation: unknown): Operation {
  if (!isRecord(operation)) throw badRequest('error decoding patch: an operation must be an object');
  const { op, path, from, value } = operation as { op: unknown; path: unknown; from?: unknown; value?: unknown };
  if (typeof op !== 'string' || typeof path !== 'string') {
    throw badRequest('error decoding patch: an operation needs op and path');
  }
  return { op, path: parsePointer(path), from: typeof from === 'string' ? parsePointer(from) : [], value };
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw unprocessable();
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function applyOperation(root: unknown, operation: Operation): unknown {
  const { op, path, from, value } = operation;
  switch (op) {
    case 'test':
      if (!isEqual(valueAt(root, path), value)) throw unprocessable();
      return root;
    case 'add':
      return put(root, path, value, 'add');
    case 'replace':
      return put(root, path, value, 'replace');
    case 'remove':
      return remove(root, path);
    case 'copy':
      return put(root, path, existingAt(root, from), 'add');
    case 'move':
      return put(remove(root, from), path, existingAt(root, from), 'add');
    default:
      throw unprocessable();
  }
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    if (Array.isArray(value)) value = (value as unknown[])[indexIn(value, key)];
    else if (isRecord(value)) value = value[key];
    else return undefined;
  }
  return value;
}

function existingAt(root: unknown, path: readonly string[]): unknown {
  const value = valueAt(root, path);
  if (value === undefined) throw unprocessable();
  return value;
}

function indexIn(list: readonly unknown[], key: string): number {
  if (key === '-') return list.length;
  if (!/^(?:0|[1-9]\d*)$/.test(key)) throw unprocessable();
  return Number(key);
}

function put(root: unknown, path: readonly string[], value: unknown, mode: 'add' | 'replace'): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(root)) {
    const list = root as unknown[];
    const at = indexIn(list, key);
    if (at > list.length || (at === list.length && (mode === 'replace' || rest.length > 0))) throw unprocessable();
    if (rest.length === 0) return mode === 'add' ? list.toSpliced(at, 0, value) : list.with(at, value);
    return list.with(at, put(list[at], rest, value, mode));
  }
  if (!isRecord(root)) throw unprocessable();
  if (rest.length === 0) {
    if (mode === 'replace' && root[key] === undefined) throw unprocessable();
    return { ...root, [key]: value };
  }
  // A parent that is missing is never made up: that is what tells `add` from a merge patch.
  if (root[key] === undefined) throw unprocessable();
  return { ...root, [key]: put(root[key], rest, value, mode) };
}

function remove(root: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return undefined;
  if (Array.isArray(root)) {
    const list = root as unknown[];
    const at = indexIn(list, key);
    if (at >= list.length) throw unprocessable();
    return rest.length === 0 ? list.toSpliced(at, 1) : list.with(at, remove(list[at], rest));
  }
  if (!isRecord(root) || root[key] === undefined) throw unprocessable();
  if (rest.length > 0) return { ...root, [key]: remove(root[key], rest) };
  const { [key]: _removed, ...kept } = root;
  return kept;
}
