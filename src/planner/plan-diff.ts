/**
 * What would be different from the last run of a plan: servers, waves, program, limits and times, as they were pinned
 * then and as they are now. Pure; whether a difference is wanted, a person decides.
 */
import type { RunDefinition, RunServer } from '../workflow/definition.ts';

export interface PlanDiff {
  /** The run that it is compared with. */
  readonly runId: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Named where it differs, as text for a person. */
  readonly changes: readonly { readonly what: string; readonly before: string; readonly now: string }[];
}

export function diffPlans(before: RunDefinition, now: RunDefinition): PlanDiff {
  const old = new Set(before.servers.map(({ name }) => name));
  const fresh = new Set(now.servers.map(({ name }) => name));
  const changes: PlanDiff['changes'][number][] = [];
  const compare = (what: string, say: (definition: RunDefinition) => string): void => {
    const [was, is] = [say(before), say(now)];
    if (was !== is) changes.push({ what, before: was, now: is });
  };
  compare('documents', ({ commit, digest }) => (commit === undefined ? digest : `commit ${commit}`).slice(0, 14));
  compare('playbook', ({ playbook }) => playbook);
  compare('waves', ({ waves }) => waves.map(sayWave).join(', '));
  compare('maxUnavailable', ({ maxUnavailable }) => String(maxUnavailable));
  compare('maxParallel', ({ maxParallel }) => String(maxParallel));
  compare('haltAfter', ({ haltAfter }) => `${haltAfter.failures} failures, ${haltAfter.consecutive ?? 'any'} in a row`);
  compare('left out', ({ servers }) => sayNames(servers.filter(({ leftOut }) => leftOut)));
  compare('time per server', ({ servers }) => sayTimes(servers));
  changes.push(...diffSteps(before, now));
  for (const part of ['evacuation', 'schedule', 'undo', 'rebalance'] as const) {
    if (JSON.stringify(before[part]) !== JSON.stringify(now[part])) {
      changes.push({ what: part, before: 'as it was', now: 'changed' });
    }
  }
  return {
    runId: before.runId,
    added: [...fresh].filter((name) => !old.has(name)).sort(),
    removed: [...old].filter((name) => !fresh.has(name)).sort(),
    changes,
  };
}

function sayWave({ servers, soakMs, approval }: RunDefinition['waves'][number]): string {
  const soak = soakMs > 0 ? ` soak ${Math.round(soakMs / 1_000)} s` : '';
  return `${servers.length}${soak}${approval ? ' approval' : ''}`;
}

function sayNames(servers: readonly RunServer[]): string {
  return servers.map(({ name }) => name).join(', ') || 'none';
}

/** The slowest group tells: a plan fits or does not fit by it. */
function sayTimes(servers: readonly RunServer[]): string {
  const times = servers.flatMap(({ takes }) => takes ?? []).sort((a, b) => b.p95Ms - a.p95Ms);
  const [slowest] = times;
  if (!slowest) return 'not predicted';
  if (slowest.measured === 0) return `${sayLength(slowest.p50Ms)}, not measured`;
  return `${sayLength(slowest.p50Ms)} (p95 ${sayLength(slowest.p95Ms)})`;
}

/** Minutes to a tenth. */
function sayLength(lengthMs: number): string {
  return lengthMs < 120_000 ? `${Math.round(lengthMs / 1_000)} s` : `${Math.round(lengthMs / 6_000) / 10} min`;
}

function stepsOf({ program }: RunDefinition): Map<string, string> {
  return new Map(program.map((step) => [step.id, JSON.stringify(step)]));
}

/** Parameters stand in the commands already, so a changed one shows here. */
function diffSteps(before: RunDefinition, now: RunDefinition): PlanDiff['changes'][number][] {
  const [old, fresh] = [stepsOf(before), stepsOf(now)];
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((id) => {
    const [was, is] = [old.get(id), fresh.get(id)];
    if (was === is) return [];
    if (was === undefined) return [{ what: `step ${id}`, before: 'not there', now: 'new' }];
    if (is === undefined) return [{ what: `step ${id}`, before: 'there', now: 'gone' }];
    const [from, to] = whereTheyDiffer(was, is);
    return [{ what: `step ${id}`, before: from, now: to }];
  });
}

const shownMax = 60;

/** Of two long texts the part around their first difference, as much as a person reads. */
function whereTheyDiffer(was: string, is: string): [string, string] {
  let at = 0;
  while (at < was.length && was[at] === is[at]) at += 1;
  const from = Math.max(0, at - shownMax / 3);
  const cut = (text: string): string =>
    `${from > 0 ? '…' : ''}${text.slice(from, from + shownMax)}${text.length > from + shownMax ? '…' : ''}`;
  return [cut(was), cut(is)];
}
