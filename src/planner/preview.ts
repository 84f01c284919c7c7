/**
 * What a run of a plan would do if it started now: who when, how every pod moves, what is in the way, and whether it
 * fits its windows. One pure function, for the live cluster and for a snapshot of one.
 *
 * It predicts and promises nothing; what it is based on (measured or stated times) goes along.
 */
import { podKey } from '../cluster/pod.ts';
import type { ClusterView } from '../cluster/view.ts';
import { promiseInWords } from '../evacuation/promises.ts';
import type { MoveWay } from '../spec/plan.ts';
import type { LeftOut, RunDefinition, RunServer, ServerTimes } from '../workflow/definition.ts';
import { neededMs } from '../workflow/window.ts';
import type { Capacity } from './capacity.ts';
import { forecastOf, previewServers, previewWave } from './forecast.ts';
import {
  budgetsByNamespace,
  judgeMoves,
  planWithRoom,
  podsByNode,
  type PlanRunInput,
  type PodForecast,
} from './plan-run.ts';
import type { LearnedTimes } from './times.ts';
import { walk, type Timeline } from './timeline.ts';
import { warningsOf } from './warnings.ts';

export interface PodPreview {
  readonly pod: string;
  readonly server: string;
  readonly verdict: 'stays' | 'waits' | 'moves' | 'blocked';
  /** How it would move and what it keeps; the reason where it stays, waits or is blocked. */
  readonly how: string;
  /** Whom to talk to about a blocker, e.g. the budget's name; empty where nobody is known. */
  readonly owner: string;
  /** These seven only of a pod that moves. */
  readonly way?: MoveWay | undefined;
  readonly mover?: string | undefined;
  /** What it keeps. */
  readonly promise?: string | undefined;
  /** Of this one move, without waiting for its turn: measured with this mover, or else what the mover reckons. */
  readonly predictedMs?: number | undefined;
  /** Low numbers move first. */
  readonly order?: number | undefined;
  /** The node that has room for it when its turn comes, as far as that can be told; the scheduler may choose another. */
  readonly target?: string | undefined;
  /** Why it is not moved alive, where the plan would have it so. */
  readonly notAlive?: string | undefined;
  readonly warnings: readonly string[];
}

/** What is predicted, with every server at its median time, and again with every one at its p95. */
export interface Both<T> {
  readonly p50: T;
  readonly p95: T;
}

/** What a step usually takes, and what it takes one time in twenty. */
export interface StepTimes {
  readonly step: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** How many servers were measured. */
  readonly measured: number;
}

export interface ServerPreview {
  readonly name: string;
  /** From 0. */
  readonly wave: number;
  /** Where it starts; left out: it never does. */
  readonly fromMs?: number | undefined;
  readonly toMs?: Both<number> | undefined;
  readonly takes?: ServerTimes | undefined;
  /** In the order of the program; those that were measured. */
  readonly steps: readonly StepTimes[];
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
}

export function previewPlan(input: PreviewInput): PlanPreview {
  const { definition, capacity } = planWithRoom(input);
  const { view, nowMs } = input;
  const down = downServers(definition, view);
  const walkAs = (length: (takes: ServerTimes) => number): Walk => {
    const takes = (server: RunServer) => {
      const needed = definition.schedule ? neededMs(definition.schedule, server) : 0;
      return { ms: server.takes ? length(server.takes) : needed, neededMs: needed };
    };
    // It remembers who went out and where their pods went, and every walk begins anew.
    capacity.reset();
    const timeline = walk({ definition, startMs: nowMs, takes, down, refuses: capacity.refuses });
    return { timeline, moved: capacity.moves };
  };
  const usual = walkAs(({ p50Ms }) => p50Ms);
  // Where nothing was measured, both are the same.
  const isSure = definition.servers.every(({ takes }) => takes?.p50Ms === takes?.p95Ms);
  const both = { p50: usual.timeline, p95: (isSure ? usual : walkAs(({ p95Ms }) => p95Ms)).timeline };
  const pods = previewPods(input, definition, usual.moved);
  const forecast = forecastOf(definition, both, down, nowMs);
  return {
    definition,
    nowMs,
    forecast,
    waves: definition.waves.map((wave, index) => previewWave(definition, wave.servers, index, both, down)),
    servers: previewServers(definition, both, input.learned),
    pods,
    warnings: warningsOf({ definition, view, nowMs, down, forecast, pods }),
  };
}

interface Walk {
  readonly moved: Capacity['moves'];
  readonly timeline: Timeline;
}

function previewPods(
  { view, moves, learned }: PreviewInput,
  definition: RunDefinition,
  moved: Capacity['moves'],
): PodPreview[] {
  const podsOf = podsByNode(view);
  const budgets = budgetsByNamespace(view);
  return definition.servers.flatMap(({ name, node }) => {
    const targets = new Map(moved.get(name)?.map(({ pod, to }) => [pod.uid, to]));
    return judgeMoves(podsOf.get(node) ?? [], budgets, definition.evacuation, moves).map((forecast) =>
      previewPod(name, forecast, targets.get(forecast.pod.uid), learned),
    );
  });
}

/** As the coordinator counts them: missing, not Ready or cordoned by anybody. */
function downServers({ servers }: RunDefinition, { nodes }: Pick<ClusterView, 'nodes'>): Set<string> {
  const inService = new Set(
    nodes.filter(({ ready, cordon }) => ready && cordon.kind === 'none').map(({ name }) => name),
  );
  return new Set(servers.filter(({ node }) => !inService.has(node)).map(({ name }) => name));
}

/** By way and mover, in the words of the table above it. */
function sayChoice({ way, mover, promise }: NonNullable<PodForecast['choice']>): string {
  switch (way) {
    case 'live':
      return `alive by ${mover}: ${promiseInWords(promise)}`;
    case 'surge':
      return 'surge: another one is Ready before it goes';
    case 'evict':
      return 'restart: evicted, and made anew elsewhere';
  }
}

function previewPod(
  server: string,
  { pod, verdict, choice }: PodForecast,
  target: string | undefined,
  learned: LearnedTimes,
): PodPreview {
  const common = { pod: podKey(pod), server, owner: '', warnings: [] };
  switch (verdict.kind) {
    case 'stays':
      return { ...common, verdict: 'stays', how: verdict.because, warnings: verdict.warnings ?? [] };
    case 'waits':
      return { ...common, verdict: 'waits', how: verdict.because };
    case 'blocked':
      return { ...common, verdict: 'blocked', how: verdict.because, owner: verdict.owner };
    case 'moves': {
      if (!choice) return { ...common, verdict: 'moves', how: 'nothing here can move it as the plan allows' };
      const { way, mover, promise } = choice;
      return {
        ...common,
        verdict: 'moves',
        how: sayChoice(choice),
        way,
        mover,
        promise,
        predictedMs: learned.movers[mover]?.p50Ms ?? choice.predictedMs,
        order: verdict.order,
        target,
        notAlive: verdict.notAlive,
        warnings: verdict.warnings,
      };
    }
  }
}
