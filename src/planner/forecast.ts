/**
 * From two walks through a run in virtual time, one with every server at its median and one with every server at its p95,
 * to what is shown of it: waves, servers, and whether it all fits. Pure.
 */
import { openingsFrom, type Opening } from '../schedule/schedule.ts';
import type { RunDefinition, RunServer, ServerTimes } from '../workflow/definition.ts';
import type { Both, Forecast, ServerPreview, WavePreview } from './preview.ts';
import type { TimedWave, Timeline } from './timeline.ts';
import { predictSteps, type LearnedTimes } from './times.ts';

export function previewServers(
  definition: RunDefinition,
  { p50, p95 }: Both<Timeline>,
  learned: LearnedTimes,
): ServerPreview[] {
  const waveOf = new Map(definition.waves.flatMap(({ servers }, wave) => servers.map((name) => [name, wave] as const)));
  const usual = new Map(p50.servers.map((server) => [server.name, server]));
  const slow = new Map(p95.servers.map((server) => [server.name, server]));
  return definition.servers.map((server) => {
    const { name, takes, leftOut } = server;
    const timed = usual.get(name);
    const toMs = timed && { p50: timed.toMs, p95: slow.get(name)?.toMs ?? timed.toMs };
    return {
      name,
      wave: waveOf.get(name) ?? 0,
      fromMs: timed?.fromMs,
      toMs,
      takes,
      steps: predictSteps(learned, definition, server),
      leftOut,
    };
  });
}

export function previewWave(
  definition: RunDefinition,
  names: readonly string[],
  index: number,
  { p50, p95 }: Both<Timeline>,
  down: ReadonlySet<string>,
): WavePreview {
  const leftOut = new Set(definition.servers.filter((server) => server.leftOut).map(({ name }) => name));
  const usual = p50.waves[index];
  const span = usual?.span;
  return {
    servers: names.filter((name) => !leftOut.has(name)).length,
    atOnce: usual?.atOnce ?? 0,
    fromMs: span?.fromMs,
    toMs: span && { p50: span.toMs, p95: p95.waves[index]?.span?.toMs ?? span.toMs },
    limit: sayLimit(usual?.limit ?? p50.stuck, down, definition),
  };
}

/** Without the names of servers: where it is said there is little room, and the numbers say it. */
function sayLimit(
  limit: TimedWave['limit'],
  down: ReadonlySet<string>,
  { maxUnavailable }: Pick<RunDefinition, 'maxUnavailable'>,
): string {
  switch (limit?.kind) {
    case undefined:
      return '';
    case 'window':
      return 'the window';
    case 'parallel':
      // Where a plan does not say how many at once, it is as many as may be unavailable.
      return limit.max === maxUnavailable ? `maxUnavailable ${limit.max}` : `maxParallel ${limit.max}`;
    case 'domain':
      return 'one failure domain at a time';
    case 'budget':
      return `budget ${limit.max}${down.size > 0 ? `, ${down.size} of it down already` : ''}`;
    case 'capacity':
      return `${limit.server}: ${limit.because}`;
  }
}

export function forecastOf(
  definition: RunDefinition,
  both: Both<Timeline>,
  down: ReadonlySet<string>,
  nowMs: number,
): Forecast {
  const { p50, p95 } = both;
  const opening = openingAt(definition, p50.servers[0]?.fromMs ?? nowMs);
  const laterThan = ({ servers }: Timeline): number =>
    opening ? servers.filter(({ fromMs }) => fromMs >= opening.toMs).length : 0;
  const participants = definition.servers.filter(({ leftOut }) => !leftOut);
  return {
    opening: opening && { fromMs: opening.fromMs, toMs: opening.toMs, timeZone: opening.timeZone },
    fromMs: p50.servers[0]?.fromMs,
    toMs: p50.servers.length > 0 ? { p50: endOf(p50), p95: endOf(p95) } : undefined,
    later: { p50: laterThan(p50), p95: laterThan(p95) },
    never: participants.length - p50.servers.length,
    stuck: p50.stuck?.kind,
    why: p50.stuck && sayLimit(p50.stuck, down, definition),
    sources: sourcesOf(participants),
  };
}

function endOf({ servers }: Timeline): number {
  return servers.reduce((last, { toMs }) => Math.max(last, toMs), 0);
}

/** The one that is open at this moment, or the next one that will be. */
function openingAt({ schedule }: RunDefinition, atMs: number): Opening | undefined {
  if (!schedule) return undefined;
  for (const opening of openingsFrom(schedule, atMs)) if (opening.open.some(({ toMs }) => toMs > atMs)) return opening;
  return undefined;
}

function sourcesOf(servers: readonly RunServer[]): { servers: number; takes: ServerTimes }[] {
  const byGroup = Map.groupBy(
    servers.flatMap(({ takes }) => takes ?? []),
    ({ group }) => group,
  );
  return [...byGroup.values()]
    .flatMap((all) => (all[0] ? [{ servers: all.length, takes: all[0] }] : []))
    .sort((a, b) => b.servers - a.servers || (a.takes.group < b.takes.group ? -1 : 1));
}
