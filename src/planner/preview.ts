/**
 * What a run of a plan would do if it started now: who when, how every pod moves, what is in the way, and whether it
 * fits its windows. One pure function, for the live cluster and for a snapshot of one.
 *
 * It predicts and promises nothing; what it is based on (measured or stated times) goes along.
 */
import { podKey } from '../cluster/pod.ts';
import type { ClusterView } from '../cluster/view.ts';
import { openingsFrom, type Opening } from '../schedule/schedule.ts';
import type { MoveWay } from '../spec/plan.ts';
import type { Refuses } from '../workflow/admission.ts';
import type { LeftOut, RunDefinition, RunServer, ServerTimes } from '../workflow/definition.ts';
import { neededMs } from '../workflow/window.ts';
import {
  budgetsByNamespace,
  judgeMoves,
  planRun,
  podsByNode,
  type PlanRunInput,
  type PodForecast,
} from './plan-run.ts';
import type { LearnedTimes } from './times.ts';
import { walk, type TimedWave, type Timeline } from './timeline.ts';
import { warningsOf } from './warnings.ts';

export interface PodPreview {
  readonly pod: string;
  readonly server: string;
  readonly verdict: 'stays' | 'waits' | 'moves' | 'blocked';
  /** How it would move and what it keeps; the reason where it stays, waits or is blocked. */
  readonly how: string;
  /** Whom to talk to about a blocker, e.g. the budget's name; empty where nobody is known. */
  readonly owner: string;
  /** These five only of a pod that moves. */
  readonly way?: MoveWay | undefined;
  readonly mover?: string | undefined;
  /** What it keeps. */
  readonly promise?: string | undefined;
  /** Of this one move, without waiting for its turn: measured with this mover, or else what the mover reckons. */
  readonly predictedMs?: number | undefined;
  /** Low numbers move first. */
  readonly order?: number | undefined;
  readonly warnings: readonly string[];
}

/** What is predicted, with every server at its median time, and again with every one at its p95. */
interface Both<T> {
  readonly p50: T;
  readonly p95: T;
}

export interface ServerPreview {
  readonly name: string;
  /** From 0. */
  readonly wave: number;
  /** Where it starts; left out: it never does. */
  readonly fromMs?: number | undefined;
  readonly toMs?: Both<number> | undefined;
  readonly takes?: ServerTimes | undefined;
  readonly leftOut?: LeftOut | undefined;
}

export interface WavePreview {
  /** Without those that are left out. */
  readonly servers: number;
  readonly atOnce: number;
  /** Left out: it never starts. */
  readonly fromMs?: number | undefined;
  readonly toMs?: Both<number> | undefined;
  /** Why not more at once. */
  readonly limit: string;
}

/** The opening of the plan's windows into which the run would start. */
interface OpeningPreview {
  readonly fromMs: number;
  readonly toMs: number;
  readonly timeZone: string;
}

export interface Forecast {
  /** Left out: the plan has no windows, or none that opens any more. */
  readonly opening?: OpeningPreview | undefined;
  /** Start of the first server and end of the last one; left out: none starts. */
  readonly fromMs?: number | undefined;
  readonly toMs?: Both<number> | undefined;
  /** How many have to wait for a later opening. */
  readonly later: Both<number>;
  /** How many never start; `stuck` and `why` say what keeps them, and are left out where there are none. */
  readonly never: number;
  readonly stuck?: NonNullable<Timeline['stuck']>['kind'] | undefined;
  readonly why?: string | undefined;
  /** Where the times come from: one line for each group of servers, the largest first. */
  readonly sources: readonly { readonly servers: number; readonly takes: ServerTimes }[];
}

export interface PlanPreview {
  readonly definition: RunDefinition;
  /** The moment for which it was reckoned. */
  readonly nowMs: number;
  readonly forecast: Forecast;
  /** One for each wave of the definition. */
  readonly waves: readonly WavePreview[];
  readonly servers: readonly ServerPreview[];
  readonly pods: readonly PodPreview[];
  readonly warnings: readonly string[];
}

export interface PreviewInput extends PlanRunInput {
  readonly nowMs: number;
  /** Whether the pods of a server would find no room; left out: nobody asks. */
  readonly refuses?: ((definition: RunDefinition) => Refuses) | undefined;
}

export function previewPlan(input: PreviewInput): PlanPreview {
  const definition = planRun(input);
  const { view, nowMs } = input;
  const down = downServers(definition, view);
  const refuses = input.refuses?.(definition);
  const walkAs = (length: (takes: ServerTimes) => number): Timeline => {
    const takes = (server: RunServer) => {
      const needed = definition.schedule ? neededMs(definition.schedule, server) : 0;
      return { ms: server.takes ? length(server.takes) : needed, neededMs: needed };
    };
    return walk({ definition, startMs: nowMs, takes, down, refuses });
  };
  const p50 = walkAs(({ p50Ms }) => p50Ms);
  // Where nothing was measured, both are the same.
  const isSure = definition.servers.every(({ takes }) => takes?.p50Ms === takes?.p95Ms);
  const both = { p50, p95: isSure ? p50 : walkAs(({ p95Ms }) => p95Ms) };
  const podsOf = podsByNode(view);
  const budgets = budgetsByNamespace(view);
  const pods = definition.servers.flatMap((server) =>
    judgeMoves(podsOf.get(server.node) ?? [], budgets, definition.evacuation, input.moves).map((forecast) =>
      previewPod(server.name, forecast, input.learned),
    ),
  );
  const forecast = forecastOf(definition, both, down, nowMs);
  return {
    definition,
    nowMs,
    forecast,
    waves: definition.waves.map((wave, index) => previewWave(definition, wave.servers, index, both, down)),
    servers: previewServers(definition, both),
    pods,
    warnings: warningsOf({ definition, view, nowMs, down, forecast, pods }),
  };
}

/** As the coordinator counts them: missing, not Ready or cordoned by anybody. */
function downServers({ servers }: RunDefinition, { nodes }: Pick<ClusterView, 'nodes'>): Set<string> {
  const inService = new Set(
    nodes.filter(({ ready, cordon }) => ready && cordon.kind === 'none').map(({ name }) => name),
  );
  return new Set(servers.filter(({ node }) => !inService.has(node)).map(({ name }) => name));
}

const promiseOfWay = {
  live: 'keeps what its mover promises',
  surge: 'replaced before it goes',
  evict: 'restarted',
} as const;

function previewPod(server: string, { pod, verdict, choice }: PodForecast, learned: LearnedTimes): PodPreview {
  const common = { pod: podKey(pod), server, owner: '', warnings: [] };
  switch (verdict.kind) {
    case 'stays':
    case 'waits':
      return { ...common, verdict: verdict.kind, how: verdict.because };
    case 'blocked':
      return { ...common, verdict: 'blocked', how: verdict.because, owner: verdict.owner };
    case 'moves': {
      if (!choice) return { ...common, verdict: 'moves', how: '' };
      const { way, mover, promise } = choice;
      return {
        ...common,
        verdict: 'moves',
        how: way === 'live' ? `live by ${mover}, keeps ${promise}` : `${way}: ${promiseOfWay[way]}`,
        way,
        mover,
        promise,
        predictedMs: learned.movers[mover]?.p50Ms ?? choice.predictedMs,
        order: verdict.order,
        warnings: verdict.warnings,
      };
    }
  }
}

function previewServers(definition: RunDefinition, { p50, p95 }: Both<Timeline>): ServerPreview[] {
  const waveOf = new Map(definition.waves.flatMap(({ servers }, wave) => servers.map((name) => [name, wave] as const)));
  const usual = new Map(p50.servers.map((server) => [server.name, server]));
  const slow = new Map(p95.servers.map((server) => [server.name, server]));
  return definition.servers.map(({ name, takes, leftOut }) => {
    const timed = usual.get(name);
    const toMs = timed && { p50: timed.toMs, p95: slow.get(name)?.toMs ?? timed.toMs };
    return { name, wave: waveOf.get(name) ?? 0, fromMs: timed?.fromMs, toMs, takes, leftOut };
  });
}

function previewWave(
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
    limit: sayLimit(usual?.limit ?? p50.stuck, down),
  };
}

/** Without the names of servers: where it is said there is little room, and the numbers say it. */
function sayLimit(limit: TimedWave['limit'], down: ReadonlySet<string>): string {
  switch (limit?.kind) {
    case undefined:
      return '';
    case 'window':
      return 'the window';
    case 'parallel':
      return `maxParallel ${limit.max}`;
    case 'domain':
      return 'one failure domain at a time';
    case 'budget':
      return `budget ${limit.max}${down.size > 0 ? `, ${down.size} of it down already` : ''}`;
    case 'capacity':
      return `${limit.server}: ${limit.because}`;
  }
}

function forecastOf(
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
    why: p50.stuck && sayLimit(p50.stuck, down),
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
