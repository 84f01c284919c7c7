/**
 * The state of a run, as a fold over its own stream. It decides nothing; an event that cannot follow throws.
 */
import { InvariantError, unreachable } from '../errors/maintenance-error.ts';
import type { RunDefinition } from './definition.ts';
import type { Outcome, RunEvent } from './events.ts';
import { isForRoom, noHold, type Hold } from './hold.ts';
import { applyRebalanceEvent, type RebalanceState } from './rebalance-state.ts';

type WaveStatus =
  | { readonly kind: 'pending' }
  | { readonly kind: 'running' }
  | { readonly kind: 'soaking'; readonly untilMs: number }
  | { readonly kind: 'awaitingApproval' }
  | { readonly kind: 'finished' };

interface ServerEnd {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly atMs: number;
}

export interface RunState {
  readonly definition: RunDefinition;
  readonly version: number;
  readonly createdMs: number;
  readonly waves: readonly WaveStatus[];
  /** Servers that have a place: from admission until they have ended well, were undone, or were skipped. */
  readonly admitted: ReadonlySet<string>;
  readonly ends: Readonly<Record<string, ServerEnd>>;
  /** Versions of the last request, by server. */
  readonly retryRequests: Readonly<Record<string, number>>;
  readonly skipRequests: ReadonlySet<string>;
  readonly approved: ReadonlySet<number>;
  readonly pausedBy?: string | undefined;
  readonly stoppedBy?: string | undefined;
  readonly hold: Hold;
  /** Since when it waits for the same thing, whatever the words; meaningless where it does not. */
  readonly holdSinceMs: number;
  /** From its beginning on, after the last wave. */
  readonly rebalance?: RebalanceState | undefined;
  readonly ended?: ServerEnd | undefined;
}

function illegal(state: RunState, event: RunEvent): never {
  throw new InvariantError(
    `${event.kind} cannot follow in the journal of run ${state.definition.runId} at ${state.version + 1}`,
  );
}

export function createRun(definition: RunDefinition, atMs: number): RunState {
  return {
    definition,
    version: 1,
    createdMs: atMs,
    waves: definition.waves.map(() => ({ kind: 'pending' })),
    admitted: new Set(),
    ends: leftOutEnds(definition, atMs),
    retryRequests: {},
    skipRequests: new Set(),
    approved: new Set(),
    hold: noHold,
    holdSinceMs: 0,
  };
}

/** A server that was left out when the run was started has been skipped from the beginning. */
function leftOutEnds({ servers }: RunDefinition, atMs: number): Record<string, ServerEnd> {
  const end = (because: string): ServerEnd => ({ outcome: 'skipped', reason: `left out: ${because}`, atMs });
  return Object.fromEntries(servers.flatMap(({ name, leftOut }) => (leftOut ? [[name, end(leftOut.because)]] : [])));
}

function withWave(state: RunState, wave: number, status: WaveStatus): RunState {
  return { ...state, waves: state.waves.map((before, index) => (index === wave ? status : before)) };
}

function without<T>(set: ReadonlySet<T>, value: T): ReadonlySet<T> {
  return new Set([...set].filter((item) => item !== value));
}

function omit(ends: Readonly<Record<string, ServerEnd>>, server: string): Readonly<Record<string, ServerEnd>> {
  return Object.fromEntries(Object.entries(ends).filter(([name]) => name !== server));
}

/** A server that never started, or that has ended already, is skipped at once; a running one is brought back first. */
function skip(state: RunState, server: string, by: string, atMs: number): RunState {
  const isRunning = state.admitted.has(server) && !state.ends[server];
  if (isRunning) return { ...state, skipRequests: new Set([...state.skipRequests, server]), ended: undefined };
  const end = { outcome: 'skipped' as const, reason: `skipped by ${by}`, atMs };
  return {
    ...state,
    admitted: without(state.admitted, server),
    ends: { ...state.ends, [server]: end },
    ended: undefined,
  };
}

/** A halted server keeps its place and goes on there; an undone one is in service and has to be admitted again. */
function retry(state: RunState, server: string, version: number, event: RunEvent): RunState {
  const outcome = state.ends[server]?.outcome;
  if (outcome !== 'halted' && outcome !== 'undone') illegal(state, event);
  return {
    ...state,
    ends: omit(state.ends, server),
    retryRequests: { ...state.retryRequests, [server]: version },
    // Asking for another try after a stop takes the stop back, else the run would end again at once.
    stoppedBy: state.ended ? undefined : state.stoppedBy,
    ended: undefined,
  };
}

function endServer(state: RunState, event: Extract<RunEvent, { kind: 'serverEnded' }>, atMs: number): RunState {
  if (!state.admitted.has(event.server) || state.ends[event.server]) illegal(state, event);
  const end = { outcome: event.outcome, reason: event.reason, atMs };
  // A halted server is out of service: it keeps its place in the budget until a person or a later success frees it.
  const admitted = event.outcome === 'halted' ? state.admitted : without(state.admitted, event.server);
  return {
    ...state,
    admitted,
    ends: { ...state.ends, [event.server]: end },
    skipRequests: without(state.skipRequests, event.server),
  };
}

function kindOf(hold: Hold): string {
  if (isForRoom(hold)) return 'room';
  return hold.kind === 'waiting' ? hold.for : hold.kind;
}

export function applyRunEvent(state: RunState, event: RunEvent, atMs: number): RunState {
  const version = state.version + 1;
  return { ...applyKind(state, event, atMs, version), version };
}

function applyKind(state: RunState, event: RunEvent, atMs: number, version: number): RunState {
  switch (event.kind) {
    case 'runCreated':
      return illegal(state, event);
    case 'waveStarted':
      if (state.waves[event.wave]?.kind !== 'pending') illegal(state, event);
      return withWave(state, event.wave, { kind: 'running' });
    case 'serverAdmitted':
      if (state.admitted.has(event.server) || state.ends[event.server] || state.ended) illegal(state, event);
      return { ...state, admitted: new Set([...state.admitted, event.server]), hold: noHold };
    case 'serverEnded':
      return endServer(state, event, atMs);
    case 'soakStarted':
      return withWave(state, event.wave, { kind: 'soaking', untilMs: event.untilMs });
    case 'approvalRequested':
      return withWave(state, event.wave, { kind: 'awaitingApproval' });
    case 'waveFinished':
      return { ...withWave(state, event.wave, { kind: 'finished' }), hold: noHold };
    case 'powerByHand':
      return state;
    case 'runHoldChanged': {
      const isSame = kindOf(state.hold) === kindOf(event.hold);
      return { ...state, hold: event.hold, holdSinceMs: isSame ? state.holdSinceMs : atMs };
    }
    case 'rebalanceStarted':
    case 'rebalanceMoveStarted':
    case 'rebalanceMoveChanged':
    case 'rebalanceMeasured':
    case 'rebalanceEnded': {
      const isAfterWaves = state.waves.every((wave) => wave.kind === 'finished') && !state.ended;
      const rebalance = isAfterWaves ? applyRebalanceEvent(state.rebalance, event, atMs) : undefined;
      return rebalance ? { ...state, rebalance } : illegal(state, event);
    }
    case 'runEnded':
      if (state.ended) illegal(state, event);
      return { ...state, ended: { outcome: event.outcome, reason: event.reason, atMs }, hold: noHold };
    case 'approved':
      return { ...state, approved: new Set([...state.approved, event.wave]) };
    case 'paused':
      return { ...state, pausedBy: event.by };
    case 'resumed':
      // A pause may be long, and must not eat up the time that the rebalancing has.
      return {
        ...state,
        pausedBy: undefined,
        rebalance: state.rebalance && { ...state.rebalance, sinceMs: atMs },
      };
    case 'stopRequested':
      return { ...state, stoppedBy: event.by };
    case 'retryRequested':
      return retry(state, event.server, version, event);
    case 'skipRequested':
      return skip(state, event.server, event.by, atMs);
    default:
      return unreachable(event);
  }
}

/** Servers that work is going on at. */
export function activeServers(state: RunState): string[] {
  return [...state.admitted].filter((server) => !state.ends[server]).sort();
}
