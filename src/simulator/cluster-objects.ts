/** The objects of the simulated cluster for a snapshot: scrubbed, as the real adapter hands them out. */
import { isRecord, listAt } from '../cluster/json.ts';
import { isWorthKeeping, objectKinds, objectPaths, scrub, type ClusterObjects } from '../cluster/scrub.ts';
import type { ApiClient } from './cluster-client.ts';

export function readObjects(client: ApiClient): ClusterObjects {
  const lists = objectKinds.map((kind) => {
    const items = listAt(client.read(objectPaths[kind]), 'items').filter(isRecord);
    return [kind, items.filter((item) => isWorthKeeping(kind, item)).map((item) => scrub(kind, item))] as const;
  });
  return Object.fromEntries(lists) as unknown as ClusterObjects;
}
