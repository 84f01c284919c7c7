/**
 * What a person should know before a run is started: plans that cannot come to their end, and pods that leave something
 * behind. Pure; it forbids nothing.
 */
import type { ClusterView } from '../cluster/view.ts';
import { nextStart } from '../schedule/schedule.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import { neededMs } from '../workflow/window.ts';
import type { Forecast, PodPreview } from './preview.ts';

interface WarningsInput {
  readonly definition: RunDefinition;
  readonly view: Pick<ClusterView, 'nodes'>;
  readonly nowMs: number;
  readonly down: ReadonlySet<string>;
  readonly forecast: Forecast;
  readonly pods: readonly PodPreview[];
}

export function warningsOf(input: WarningsInput): string[] {
  const { definition, pods } = input;
  return [
    ...aboutBudgets(input),
    ...aboutWindows(input),
    ...aboutServers(input),
    ...(definition.servers.every(({ leftOut }) => leftOut) ? ['every server is left out: nothing would be done'] : []),
    ...pods.flatMap(({ pod, warnings }) => warnings.map((text) => `${pod}: ${text}`)),
  ];
}

function aboutBudgets({ definition, down, forecast }: WarningsInput): string[] {
  const { maxUnavailable, maxParallel } = definition;
  if (maxUnavailable === 0) return ['maxUnavailable is 0: no server will start'];
  if (maxParallel === 0) return ['maxParallel is 0: no server will start'];
  const names = sayNames([...down]);
  if (forecast.stuck !== undefined && forecast.stuck !== 'window') {
    return [`${sayServers(forecast.never)} cannot start as things are: ${forecast.why}${names && ` (down: ${names})`}`];
  }
  if (down.size === 0) return [];
  const held = down.size >= maxUnavailable ? 'the whole budget' : `${down.size} of ${maxUnavailable} places`;
  return [`out of service already, and holding ${held}: ${names}`];
}

function aboutWindows({ definition, nowMs, forecast }: WarningsInput): string[] {
  const { schedule, servers } = definition;
  if (!schedule) return [];
  if (!nextStart(schedule, nowMs, 1)) {
    const taken = schedule.blackouts.length > 0 ? ' that blackouts leave any of' : '';
    return [`no window${taken} opens within ten years: no server will start`];
  }
  const waiting = servers.filter(({ leftOut }) => !leftOut);
  const lengths = new Map(waiting.map((server) => [neededMs(schedule, server), server]));
  const tooLong = new Set([...lengths.keys()].filter((length) => !nextStart(schedule, nowMs, length)));
  const names = waiting.filter((server) => tooLong.has(neededMs(schedule, server))).map(({ name }) => name);
  if (names.length > 0) {
    const minutes = Math.ceil(Math.max(...tooLong) / 60_000);
    return [`no window is long enough for ${sayNames(names)}: up to ${minutes} min for one server`];
  }
  return forecast.stuck === 'window' ? [`no window within ten years for ${sayServers(forecast.never)}`] : [];
}

function aboutServers({ definition, view }: WarningsInput): string[] {
  const notReady = new Set(view.nodes.filter(({ ready }) => !ready).map(({ name }) => name));
  const names = definition.servers
    .filter(({ node, leftOut }) => !leftOut && notReady.has(node))
    .map(({ name }) => name);
  return names.length === 0 ? [] : [`not Ready now, and maintained all the same: ${sayNames(names)}`];
}

function sayServers(number: number): string {
  return number === 1 ? '1 server' : `${number} servers`;
}

/** As many as are read: `a, b, c and 12 more`. */
function sayNames(names: readonly string[]): string {
  const shown = [...names].sort().slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
