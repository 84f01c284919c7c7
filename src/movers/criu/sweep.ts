/**
 * Takes away what moves left that are over: policies, keys, images, marks. It goes by the journal alone, and leaves what the
 * journal does not know as it is: it may be the move of another installation, and the only copy of a pod's memory.
 */
import { recordAt, textAt } from '../../cluster/json.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Connections } from '../../ports/connections.ts';
import type { ApiObjects } from '../../ports/objects.ts';
import type { InventoryServer } from '../../spec/inventory.ts';
import { cleanServer, removeNamed } from './passage.ts';
import type { ServerLooks } from './server-looks.ts';
import { bindingsKind, moveLabel, policiesKind } from './steering.ts';

export interface Swept {
  readonly removed: readonly string[];
  /** Of moves that the journal does not know; left as they are. */
  readonly unknown: readonly string[];
}

/** Of each move that it knows, by its id. */
export type MovesKnown = ReadonlyMap<string, 'over' | 'goingOn'>;

interface Needs {
  readonly objects: ApiObjects;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly looks: ServerLooks;
}

/** The journal is asked after everything was seen, because a move is written down before it leaves anything; and only then. */
export async function sweepLeftovers(
  needs: Needs,
  journal: () => Promise<MovesKnown>,
  signal: AbortSignal,
): Promise<Swept> {
  const { objects, connections, clock } = needs;
  const found = await leftovers(needs, signal);
  if (found.size === 0) return { removed: [], unknown: [] };
  const known = await journal();
  const stateOf = (id: string): 'over' | 'goingOn' | undefined => known.get(id) ?? known.get(id.replace(/-back$/, ''));
  const over = [...found].filter(([id]) => stateOf(id) === 'over');
  for (const [id, servers] of over) {
    for (const kind of [bindingsKind, policiesKind]) await removeNamed(objects, kind, id, signal);
    for (const server of servers) await cleanServer(connections.shellOf(server), id, server.ssh.user, clock, signal);
  }
  const unknown = [...found.keys()].filter((id) => stateOf(id) === undefined);
  return { removed: over.map(([id]) => id), unknown };
}

/** Which moves have left something, and on which servers. */
async function leftovers({ objects, looks }: Needs, signal: AbortSignal): Promise<Map<string, InventoryServer[]>> {
  const found = new Map<string, InventoryServer[]>();
  for (const kind of [bindingsKind, policiesKind]) {
    if (!(await objects.serves(kind, signal))) continue;
    for (const object of await objects.list(kind, { labelSelector: moveLabel }, signal)) {
      found.set(textAt(recordAt(object, 'metadata'), 'name'), []);
    }
  }
  for (const server of await looks.participants()) {
    const look = await looks.look(server, signal);
    for (const id of look.kind === 'seen' ? look.facts.moves : []) found.set(id, [...(found.get(id) ?? []), server]);
  }
  return found;
}
