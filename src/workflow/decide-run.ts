/**
 * What the coordinator of a run does next: which servers get a place, when a wave ends, when the run has ended.
 *
 * Pure. It never touches a server; it hands out places, and a server without a place does nothing.
 */
import { admit, queuesOf, sayRefusal, type Places, type Refusal, type Refuses } from './admission.ts';
import { isRebalancing } from './decide-rebalance.ts';
import type { RunServer } from './definition.ts';
import type { RunEvent } from './events.ts';
import { isForRoom, isSameHold, noHold, type Hold } from './hold.ts';
import { givesUpMs, sayGivenUp } from './patience.ts';
import { activeServers, type RunState } from './run-state.ts';
import { neededMs, windowHold, type WindowHold } from './window.ts';

/** What the coordinator saw of the world just now. */
export interface RunObservation {
  readonly nowMs: number;
  /** Targets whose node is not Ready, cordoned or missing, whatever the reason. */
  readonly down: ReadonlySet<string>;
  /** Whether what has to move off a server would find no place; left out: nobody asks. */
  readonly refuses?: Refuses | undefined;
}

export interface RunDecision {
  /** To be appended, in this order. */
  readonly events: readonly RunEvent[];
  /** When to look again by itself, at the latest; undefined: only when something happens. */
  readonly wakeAtMs?: number | undefined;
  /** The waves are over, and the rebalancing has the word (`decide-rebalance.ts`). */
  readonly rebalancing?: true | undefined;
}

export function decideRun(state: RunState, observation: RunObservation): RunDecision {
  if (state.ended) return { events: [] };
  if (isRebalancing(state)) return { events: [], rebalancing: true };
  // Every server has had its end by then: a stop has only cut the rebalancing short.
  if (state.rebalance?.ended) return { events: [endOf('done', '')] };
  const active = activeServers(state);
  if (state.stoppedBy !== undefined) {
    return active.length > 0 ? { events: [] } : { events: [endOf('undone', stopReason(state))] };
  }
  const wave = state.waves.findIndex((status) => status.kind !== 'finished');
  if (wave === -1) return { events: [endOf('done', '')] };
  const isOver = waveServers(state, wave).every((server) => isSettled(state, server.name));
  return isOver ? finishWave(state, wave, observation) : fillWave(state, wave, active, observation);
}

/** Done or skipped: nobody waits for it any more. Undone and halted ones wait for a person. */
function isSettled(state: RunState, server: string): boolean {
  const outcome = state.ends[server]?.outcome;
  return outcome === 'done' || outcome === 'skipped';
}

/** In the order in which they are to start. */
function waveServers(state: RunState, wave: number): RunServer[] {
  const byName = new Map(state.definition.servers.map((server) => [server.name, server]));
  return (state.definition.waves[wave]?.servers ?? []).flatMap((name) => byName.get(name) ?? []);
}

function stopReason(state: RunState): string {
  const done = Object.values(state.ends).filter((end) => end.outcome === 'done').length;
  return `stopped by ${state.stoppedBy}; ${done} of ${state.definition.servers.length} servers were done`;
}

function endOf(outcome: 'done' | 'undone' | 'halted', reason: string): RunEvent {
  return { kind: 'runEnded', outcome, reason };
}

function holdChange(state: RunState, hold: Hold): RunEvent[] {
  return isSameHold(state.hold, hold) ? [] : [{ kind: 'runHoldChanged', hold }];
}

/** After the last server of a wave: first the soak, then the approval; the last wave needs neither. */
function finishWave(state: RunState, wave: number, { nowMs }: RunObservation): RunDecision {
  const plan = state.definition.waves[wave];
  const status = state.waves[wave];
  const finished: RunEvent = { kind: 'waveFinished', wave };
  const isLast = wave === state.definition.waves.length - 1;
  const isRebalanced = (state.definition.rebalance?.policy ?? 'none') !== 'none';
  if (isLast || !plan || !status) return { events: isRebalanced ? [finished] : [finished, endOf('done', '')] };
  if (plan.soakMs > 0 && status.kind !== 'soaking' && status.kind !== 'awaitingApproval') {
    const untilMs = nowMs + plan.soakMs;
    const hold: Hold = { kind: 'waiting', for: 'soak', text: `wave ${wave + 1} soaks` };
    return { events: [{ kind: 'soakStarted', wave, untilMs }, ...holdChange(state, hold)], wakeAtMs: untilMs };
  }
  if (status.kind === 'soaking' && nowMs < status.untilMs) return { events: [], wakeAtMs: status.untilMs };
  if (plan.approval && !state.approved.has(wave)) {
    if (status.kind === 'awaitingApproval') return { events: [] };
    const hold: Hold = {
      kind: 'waiting',
      for: 'approval',
      text: `wave ${wave + 1} is done; \`pitcrew approve ${state.definition.runId}\` lets wave ${wave + 2} start`,
    };
    return { events: [{ kind: 'approvalRequested', wave }, ...holdChange(state, hold)] };
  }
  const holdEnds = state.hold.kind === 'waiting' ? holdChange(state, noHold) : [];
  return { events: [finished, ...holdEnds], wakeAtMs: nowMs };
}

function failuresOf(state: RunState): { total: number; consecutive: number } {
  const ends = Object.values(state.ends)
    .filter((end) => end.outcome !== 'skipped')
    .sort((a, b) => a.atMs - b.atMs);
  const failed = ends.map((end) => end.outcome === 'halted' || end.outcome === 'undone');
  const lastGood = failed.lastIndexOf(false);
  return { total: failed.filter(Boolean).length, consecutive: failed.length - 1 - lastGood };
}

/** Why no further server may start, if so many have failed that a person has to look first. */
function tooManyFailures(state: RunState): string | undefined {
  const { failures, consecutive } = state.definition.haltAfter;
  const seen = failuresOf(state);
  if (seen.total >= failures) return `${seen.total} failed (halt after ${failures})`;
  if (consecutive !== undefined && seen.consecutive >= consecutive) {
    return `${seen.consecutive} in a row failed (halt after ${consecutive})`;
  }
  return undefined;
}

function fillWave(state: RunState, wave: number, active: readonly string[], observation: RunObservation): RunDecision {
  const waiting = waveServers(state, wave).filter(
    (server) => !state.admitted.has(server.name) && !state.ends[server.name],
  );
  const halted = tooManyFailures(state);
  if (active.length === 0 && (halted !== undefined || waiting.length === 0)) {
    const failed = Object.entries(state.ends).filter(([, end]) => end.outcome === 'halted' || end.outcome === 'undone');
    const names = failed
      .map(([name]) => name)
      .sort()
      .join(', ');
    return { events: [endOf('halted', `${names}: ${halted ?? 'a person has to retry or skip'}`)] };
  }
  if (halted !== undefined) return { events: holdChange(state, { kind: 'blocked', by: halted }) };
  if (state.pausedBy !== undefined) return { events: holdChange(state, { kind: 'paused', by: state.pausedBy }) };

  const started: RunEvent[] = state.waves[wave]?.kind === 'pending' ? [{ kind: 'waveStarted', wave }] : [];
  const { open, shut } = byWindow(state, waiting, observation.nowMs);
  // Also while the window is shut: whether anybody could start at all may be known already.
  const candidates = open.length > 0 ? open : waiting;
  const places = placesOf(state, active, observation);
  const { admitted, refusal } = admit(queuesOf(candidates), places, observation.refuses);
  const admissions = admitted.map((server): RunEvent => ({ kind: 'serverAdmitted', server }));
  const isStuck = active.length + admitted.length === 0 && refusal !== undefined;
  const holders = [...state.admitted].sort().join(', ');
  // A halted server keeps its place and its domain; where that leaves nothing to do, waiting helps nobody.
  if (isStuck && holders !== '')
    return { events: [endOf('halted', `${holders} halted; the others cannot start: ${sayRefusal(refusal, places)}`)] };
  // What has a place already goes on to its end.
  if (shut && open.length === 0) return { events: holdChange(state, shut.hold), wakeAtMs: shut.untilMs };
  const hold: Hold = isStuck ? refusalHold(refusal, places) : noHold;
  const tooLong = isStuck ? waitedTooLong(state, hold, observation.nowMs) : undefined;
  if (tooLong !== undefined) return { events: [endOf('halted', tooLong)] };
  return {
    events: [...started, ...admissions, ...holdChange(state, hold)],
    // A server that is down for another reason comes back without telling us.
    wakeAtMs: waiting.length > admitted.length ? observation.nowMs + 5_000 : undefined,
  };
}

/** The reason to end the run, once it has waited long enough for what it still waits for. */
function waitedTooLong(state: RunState, hold: Hold, nowMs: number): string | undefined {
  const untilMs = isForRoom(hold) ? givesUpMs(state) : undefined;
  return isForRoom(hold) && untilMs !== undefined && nowMs >= untilMs ? sayGivenUp(state, hold) : undefined;
}

/** Servers that may start now as far as time goes; and what the others wait for, of those whose turn comes first. */
function byWindow(
  { definition }: RunState,
  waiting: readonly RunServer[],
  nowMs: number,
): { open: readonly RunServer[]; shut?: WindowHold | undefined } {
  const { schedule } = definition;
  if (!schedule) return { open: waiting };
  // Many servers, and few lengths: looking through windows takes its time.
  const holds = new Map<number, WindowHold | undefined>();
  const open = waiting.filter((server) => {
    const length = neededMs(schedule, server);
    if (!holds.has(length)) holds.set(length, windowHold(definition, server, nowMs));
    return holds.get(length) === undefined;
  });
  const [shut] = [...holds.values()].filter((hold) => hold !== undefined).sort((a, b) => untilOf(a) - untilOf(b));
  return { open, shut };
}

function untilOf({ untilMs }: WindowHold): number {
  return untilMs ?? Number.POSITIVE_INFINITY;
}

function placesOf(state: RunState, active: readonly string[], { down }: RunObservation): Places {
  const { maxUnavailable, maxParallel, servers } = state.definition;
  const domainOf = new Map(servers.map((server) => [server.name, server.domain]));
  const held = new Map([...state.admitted].map((name) => [name, domainOf.get(name) ?? '']));
  return { maxUnavailable, maxParallel, held, active: active.length, down };
}

function refusalHold(refusal: Refusal, places: Places): Hold {
  const text = sayRefusal(refusal, places);
  return { kind: 'waiting', for: refusal.kind === 'capacity' ? 'capacity' : 'budget', text };
}
