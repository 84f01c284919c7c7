/**
 * How long servers and moves take, learned from the journals of earlier runs. Pure.
 *
 * Servers are compared with those that went through the same steps of the same playbook and have the same labels `model`
 * and `role`; where too few of them were measured, with all of that playbook; where still too few, the estimate that the
 * plan states counts. What a server waited for (windows, places, people) is no time that it takes.
 */
import type { ProgramStep, RunDefinition, RunServer, ServerTimes } from '../workflow/definition.ts';
import type { JournalEvent } from '../workflow/events.ts';
import { noHold, type Hold } from '../workflow/hold.ts';

/** Fewer say nothing about one in twenty. */
const samplesMin = 5;
/** The newest count: kernels, firmware and hardware change. */
const samplesMax = 400;
/** Labels of the inventory that tell how quick a server is; racks and sites do not. */
const groupLabels: readonly string[] = ['model', 'role'];

/** One server that was done, as its journal tells. */
export interface Sample {
  /** Of its playbook and its steps: what can be compared at all. */
  readonly program: string;
  readonly group: string;
  readonly endedMs: number;
  readonly totalMs: number;
  /** By the step's id. */
  readonly stepsMs: Readonly<Record<string, number>>;
  readonly moves: readonly { readonly mover: string; readonly lastedMs: number }[];
}

export interface Quantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** How many were measured, without those that were left out as outliers. */
  readonly measured: number;
}

/** By group, with the steps of each. The groups of a playbook as a whole have no labels in their names. */
export interface LearnedTimes {
  readonly groups: Readonly<Record<string, Quantiles & { readonly steps: Readonly<Record<string, Quantiles>> }>>;
  readonly movers: Readonly<Record<string, Quantiles>>;
}

type Compared = Pick<RunDefinition, 'playbook' | 'program'>;

/** The same playbook with another list of steps is another one: it takes another time. */
function programKey({ playbook, program }: Compared): string {
  return `${playbook} (${program.map(({ id }) => id).join(' ')})`;
}

function groupKey(compared: Compared, { labels }: Pick<RunServer, 'labels'>): string {
  const values = groupLabels.flatMap((label) => (labels[label] === undefined ? [] : [`, ${label} ${labels[label]}`]));
  return `${programKey(compared)}${values.join('')}`;
}

interface Entry {
  readonly atMs: number;
  readonly event: JournalEvent;
}

/**
 * `undefined` where nothing can be learned: it is not done, there was nothing to do, or people had to help.
 * `entries`: the whole stream of that server.
 */
export function sampleOf(definition: RunDefinition, server: RunServer, entries: readonly Entry[]): Sample | undefined {
  const end = entries.at(-1);
  if (definition.purpose !== 'maintenance' || end?.event.kind !== 'ended' || end.event.outcome !== 'done')
    return undefined;
  const isPlain = entries.every(({ event }) => event.kind !== 'retried' && event.kind !== 'undoStarted');
  const wasNeeded = entries.every(({ event }) => event.kind !== 'stepFinished' || event.evidence['needed'] !== false);
  if (!isPlain || !wasNeeded) return undefined;
  const stepsMs = measureSteps(definition.program, entries);
  return {
    program: programKey(definition),
    group: groupKey(definition, server),
    endedMs: end.atMs,
    totalMs: Object.values(stepsMs).reduce((sum, lengthMs) => sum + lengthMs, 0),
    stepsMs,
    moves: measureMoves(entries),
  };
}

/** From the first start of each step to its end, less what it stood still for others. */
function measureSteps(program: readonly ProgramStep[], entries: readonly Entry[]): Record<string, number> {
  const kinds = new Map(program.map(({ id, kind }) => [id, kind]));
  const stepsMs: Record<string, number> = {};
  let step: string | undefined;
  let sinceMs = 0;
  let hold: Hold = noHold;
  const settle = (atMs: number): void => {
    const isOwn = step !== undefined && !isForOthers(hold, kinds.get(step));
    if (step !== undefined && isOwn) stepsMs[step] = (stepsMs[step] ?? 0) + Math.max(0, atMs - sinceMs);
    sinceMs = atMs;
  };
  for (const { atMs, event } of entries) {
    if (event.kind === 'stepStarted') {
      settle(atMs);
      step = event.step;
    } else if (event.kind === 'stepFinished') {
      settle(atMs);
      step = undefined;
      hold = noHold;
    } else if (event.kind === 'holdChanged') {
      settle(atMs);
      hold = event.hold;
    }
  }
  return stepsMs;
}

/** A budget of pods is part of how long an evacuation takes; a place in the run's own budget is not. */
function isForOthers(hold: Hold, kind: ProgramStep['kind'] | undefined): boolean {
  switch (hold.kind) {
    case 'none':
      return false;
    case 'paused':
    case 'blocked':
      return true;
    case 'waiting':
      return kind === 'prepare' || kind === 'cordon' ? hold.for !== 'connection' : hold.for === 'window';
  }
}

function measureMoves(entries: readonly Entry[]): { mover: string; lastedMs: number }[] {
  const begun = new Map<string, { mover: string; atMs: number }>();
  return entries.flatMap(({ atMs, event }) => {
    if (event.kind === 'moveStarted') begun.set(event.pod.uid, { mover: event.mover, atMs });
    if (event.kind !== 'moveFinished' || event.result !== 'done') return [];
    const move = begun.get(event.pod.uid);
    return move ? [{ mover: move.mover, lastedMs: atMs - move.atMs }] : [];
  });
}

export function learnTimes(samples: readonly Sample[]): LearnedTimes {
  const newest = [...samples].sort((a, b) => b.endedMs - a.endedMs);
  const byGroup = new Map<string, Sample[]>();
  for (const sample of newest) {
    for (const key of new Set([sample.program, sample.group])) push(byGroup, key, sample);
  }
  const groups = [...byGroup].flatMap(([key, all]) => {
    const recent = all.slice(0, samplesMax);
    const total = quantilesOf(recent.map(({ totalMs }) => totalMs));
    return total ? [[key, { ...total, steps: stepQuantiles(recent) }] as const] : [];
  });
  const byMover = new Map<string, number[]>();
  for (const { mover, lastedMs } of newest.slice(0, samplesMax).flatMap(({ moves }) => moves))
    push(byMover, mover, lastedMs);
  return { groups: Object.fromEntries(groups), movers: quantilesOfEach(byMover) };
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function stepQuantiles(samples: readonly Sample[]): Record<string, Quantiles> {
  const bySteps = new Map<string, number[]>();
  for (const { stepsMs } of samples) for (const [id, lengthMs] of Object.entries(stepsMs)) push(bySteps, id, lengthMs);
  return quantilesOfEach(bySteps);
}

function quantilesOfEach(lists: ReadonlyMap<string, readonly number[]>): Record<string, Quantiles> {
  return Object.fromEntries(
    [...lists].flatMap(([key, values]) => {
      const quantiles = quantilesOf(values);
      return quantiles ? [[key, quantiles] as const] : [];
    }),
  );
}

/** Nearest rank, so that a quantile is a time that was really seen; `undefined` for too few. */
function quantilesOf(values: readonly number[]): Quantiles | undefined {
  if (values.length < samplesMin) return undefined;
  const sorted = withoutOutliers([...values].sort((a, b) => a - b));
  return { p50Ms: rank(sorted, 0.5), p95Ms: rank(sorted, 0.95), measured: sorted.length };
}

/**
 * Beyond Tukey's outer fence lies what went wrong (a daemon was away, a person had to look). Times that hardly differ
 * have a narrow fence, so that one is never nearer than twice the third quartile.
 */
function withoutOutliers(sorted: readonly number[]): readonly number[] {
  const [q1, q3] = [rank(sorted, 0.25), rank(sorted, 0.75)];
  const fence = Math.max(q3 + 3 * (q3 - q1), 2 * q3);
  return sorted.filter((value) => value <= fence);
}

function rank(sorted: readonly number[], quantile: number): number {
  return sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? 0;
}

/** What a plan says of a server that nobody has measured, in milliseconds, where it says nothing. */
const unstatedMs = 30 * 60_000;

/** The times of one server of a run that is about to start, by the narrowest group that was measured. */
export function predictTimes(learned: LearnedTimes, definition: RunDefinition, server: RunServer): ServerTimes {
  const [key, known] = groupOf(learned, definition, server) ?? [];
  if (key !== undefined && known) {
    const { p50Ms, p95Ms, measured } = known;
    return { p50Ms, p95Ms, measured, group: `${definition.playbook}${key.slice(programKey(definition).length)}` };
  }
  const statedMs = definition.schedule?.estimateMs ?? unstatedMs;
  return { p50Ms: statedMs, p95Ms: statedMs, measured: 0, group: '' };
}

/** The same for each step of the program, in its order. None where too few were measured: a plan states no times of steps. */
export function predictSteps(
  learned: LearnedTimes,
  definition: RunDefinition,
  server: RunServer,
): ({ readonly step: string } & Quantiles)[] {
  const steps = groupOf(learned, definition, server)?.[1].steps ?? {};
  return definition.program.flatMap(({ id }) => {
    const times = steps[id];
    return times ? [{ step: id, ...times }] : [];
  });
}

function groupOf(
  learned: LearnedTimes,
  definition: RunDefinition,
  server: RunServer,
): readonly [key: string, times: LearnedTimes['groups'][string]] | undefined {
  for (const key of [groupKey(definition, server), programKey(definition)]) {
    const known = learned.groups[key];
    if (known) return [key, known];
  }
  return undefined;
}
