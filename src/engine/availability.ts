/** Which targets are out of service, and whether one more may be: by the budget, and by the room for its pods. Pure. */
import type { NodeView } from '../cluster/node.ts';
import type { ClusterView } from '../cluster/view.ts';
import { Capacity } from '../planner/capacity.ts';
import type { Refuses } from '../workflow/admission.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import type { Hold } from '../workflow/hold.ts';
import type { RunState } from '../workflow/run-state.ts';

/** Targets whose node is missing, not Ready or cordoned by anybody, whatever the reason. */
export function downServers(definition: RunDefinition, nodes: readonly NodeView[]): Set<string> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const down = definition.servers.filter((server) => {
    const node = byName.get(server.node);
    return !node?.ready || node.cordon.kind !== 'none';
  });
  return new Set(down.map((server) => server.name));
}

/** The check just before a cordon: with this server, would more be unavailable than the budget allows? */
export function budgetHold(run: RunState, server: string, down: ReadonlySet<string>): Hold | undefined {
  if (run.definition.purpose !== 'maintenance' || down.has(server)) return undefined;
  // A place that was given out counts although its server may still be in service: its owner may cordon any moment.
  const unavailable = new Set([...run.admitted, ...down, server]);
  if (unavailable.size <= run.definition.maxUnavailable) return undefined;
  const others = [...unavailable].filter((name) => name !== server).sort();
  return {
    kind: 'waiting',
    for: 'budget',
    text: `${others.join(', ')} unavailable, at most ${run.definition.maxUnavailable} may be`,
  };
}

/** Whether what has to move off a server finds a place. The model is made when it is first asked, for it costs time. */
export function capacityOf(run: RunState, view: ClusterView): Refuses | undefined {
  const { purpose } = run.definition;
  // Of a person who asks for this one server the evacuation's own look is enough: it waits for a while, and then ends.
  if (purpose !== 'maintenance') return undefined;
  return lookerAt(run, view);
}

function lookerAt(run: RunState, view: ClusterView): Refuses {
  let capacity: Capacity | undefined;
  return (server, besides) => {
    capacity ??= modelOf(run, view);
    return capacity.refuses(server, besides);
  };
}

interface Model {
  readonly definition: RunDefinition;
  readonly ended: string;
  readonly capacity: Capacity;
}

/** A view is a value: servers that look at the same one, one right after the other, share the model, begun anew for each. */
const models = new WeakMap<ClusterView, Model>();

function modelOf({ definition, ends }: RunState, view: ClusterView): Capacity {
  const ended = Object.keys(ends).sort();
  const known = models.get(view);
  if (known?.definition === definition && known.ended === ended.join()) {
    known.capacity.reset();
    return known.capacity;
  }
  const { servers, evacuation } = definition;
  const capacity = new Capacity({ view, servers, ended: new Set(ended), evacuation });
  models.set(view, { definition, ended: ended.join(), capacity });
  return capacity;
}

/** The check just before a cordon: is there still room for its pods, beside everything that goes out with it or before it? */
export function capacityHold(run: RunState, server: string, view: ClusterView): Hold | undefined {
  if (run.definition.purpose === 'return') return undefined;
  const besides = downServers(run.definition, view.nodes);
  // Those that got their place later look in their turn, and see this one: two that wait for each other wait for ever.
  for (const other of run.admitted) {
    if (other === server) break;
    besides.add(other);
  }
  besides.delete(server);
  const because = lookerAt(run, view)(server, besides);
  return because === undefined ? undefined : { kind: 'waiting', for: 'capacity', text: because };
}
