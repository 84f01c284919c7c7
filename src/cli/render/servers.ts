/** The servers of the inventory, one line each. Pure. */
import type { ServerSummary } from '../../engine/operations.ts';
import type { Style } from './paint.ts';
import { byName, count, table, type Cell, type View } from './text.ts';

export function renderServers(servers: readonly ServerSummary[], view: View): string {
  if (servers.length === 0) return 'no servers in the inventory';
  const rows = [...servers]
    .sort((a, b) => byName(a.name, b.name))
    .map((server): Cell[] => [
      { text: server.name },
      { text: stateOf(server), style: styleOf(server.state) },
      { text: server.kernel },
      { text: count(server.pods) },
      { text: server.runId ?? '' },
      { text: server.site },
    ]);
  return table(
    [
      { title: 'server' },
      { title: 'state' },
      { title: 'kernel', flexible: true },
      { title: 'pods', align: 'right' },
      { title: 'run' },
      { title: 'site' },
    ],
    rows,
    view,
  ).join('\n');
}

/** The run that has it stands in a column of its own, whole. */
function stateOf({ state, runId }: ServerSummary): string {
  return runId === undefined ? state : state.replace(`cordoned by run ${runId}`, 'cordoned');
}

function styleOf(state: string): Style | undefined {
  if (state === 'ready') return 'green';
  return state.startsWith('ready') ? 'yellow' : 'alarm';
}
