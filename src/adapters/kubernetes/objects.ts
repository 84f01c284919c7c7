/** Every object that a snapshot holds, listed page by page and scrubbed as it arrives. Only reads. */
import { isRecord, listAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import {
  isWorthKeeping,
  objectKinds,
  objectPaths,
  scrub,
  type ClusterObjects,
  type ObjectKind,
} from '../../cluster/scrub.ts';
import { isStatus } from './api-answers.ts';
import type { ApiTransport } from './transport.ts';

const pageItemsMax = 500;

export async function readObjects(transport: ApiTransport, signal: AbortSignal): Promise<ClusterObjects> {
  const lists: [ObjectKind, JsonRecord[]][] = [];
  // One after the other: a snapshot is in no hurry, and the API server has others to serve.
  for (const kind of objectKinds) lists.push([kind, await listAll(transport, kind, signal)]);
  return Object.fromEntries(lists) as Record<ObjectKind, JsonRecord[]>;
}

async function listAll(transport: ApiTransport, kind: ObjectKind, signal: AbortSignal): Promise<JsonRecord[]> {
  try {
    return await listPages(transport, kind, pageItemsMax, signal);
  } catch (error) {
    // The pages took too long and their version is gone: all in one piece, as client-go does it.
    if (!isStatus(error, 410)) throw error;
    return listPages(transport, kind, undefined, signal);
  }
}

async function listPages(
  transport: ApiTransport,
  kind: ObjectKind,
  limit: number | undefined,
  signal: AbortSignal,
): Promise<JsonRecord[]> {
  const objects: JsonRecord[] = [];
  const path = objectPaths[kind];
  let continued = '';
  do {
    const query = { limit, continue: continued || undefined };
    const resource = path.slice(path.lastIndexOf('/') + 1);
    const page = await transport.json<unknown>({ verb: 'list', resource, path, query }, signal);
    const items = listAt(page, 'items').filter(isRecord);
    for (const item of items) if (isWorthKeeping(kind, item)) objects.push(scrub(kind, item));
    continued = textAt(recordAt(page, 'metadata'), 'continue');
  } while (continued);
  return objects;
}
