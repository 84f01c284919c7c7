/**
 * The state of one server in one run, as a fold over its journal. It decides nothing; an event that cannot follow from
 * the state before it is a bug of ours and throws.
 */
import { InvariantError, unreachable } from '../errors/maintenance-error.ts';
import type { Rung } from '../spec/playbook.ts';
import { isPastReturn, type Phase, type ProgramStep, type StepKind } from './definition.ts';
import type { Evidence, Outcome, ServerEvent } from './events.ts';
import { noHold, type Hold } from './hold.ts';
import { nextMove, triesWith, type Move, type MoveEvent } from './move-state.ts';

type StepStatus =
  | { readonly kind: 'pending' }
  | { readonly kind: 'started'; readonly attempt: number; readonly sinceMs: number }
  | {
      readonly kind: 'failed';
      readonly attempt: number;
      readonly sinceMs: number;
      readonly disposition: 'retry' | 'halt';
    }
  | { readonly kind: 'finished'; readonly evidence: Evidence };

/** Failures in a row of the step in hand. */
export interface LastError {
  readonly code: string;
  readonly message: string;
  readonly count: number;
  readonly firstMs: number;
  readonly atMs: number;
}

/** The reboot ladder so far; what was asked is written before it is done. */
export interface RebootLog {
  readonly rungs: readonly { readonly rung: Rung; readonly atMs: number; readonly commandId: string }[];
  /** Of the last rung only: a new rung begins with an empty list. */
  readonly power: readonly { readonly kind: 'asked' | 'seen'; readonly state: 'off' | 'on'; readonly atMs: number }[];
}

interface ActionLog {
  readonly commandId: string;
  readonly finished: boolean;
}

export interface ServerState {
  readonly server: string;
  /** How many events were folded: the position of the next append. */
  readonly version: number;
  readonly steps: Readonly<Record<string, StepStatus>>;
  readonly notes: Readonly<Record<string, Evidence>>;
  readonly actions: Readonly<Record<string, Readonly<Record<number, ActionLog>>>>;
  readonly moves: Readonly<Record<string, Move>>;
  readonly reboots: Readonly<Record<string, RebootLog>>;
  readonly hold: Hold;
  readonly lastError?: LastError | undefined;
  readonly undo?:
    | { readonly because: string; readonly outcome: 'undone' | 'skipped'; readonly steps: readonly string[] }
    | undefined;
  /** Version of the last retry request (in the run's stream) that was taken up; 0 for none. */
  readonly retryTaken: number;
  readonly ended?: { readonly outcome: Outcome; readonly reason: string; readonly atMs: number } | undefined;
  readonly phase: Phase;
  readonly sinceMs: number;
  readonly startedMs?: number | undefined;
  readonly phaseMs: Readonly<Partial<Record<Phase, number>>>;
  /** What was done that a person wants to know after a halt, oldest first. */
  readonly tried: readonly { readonly atMs: number; readonly text: string }[];
}

export function emptyServerState(server: string, program: readonly ProgramStep[]): ServerState {
  return {
    server,
    version: 0,
    steps: Object.fromEntries(program.map((step) => [step.id, { kind: 'pending' as const }])),
    notes: {},
    actions: {},
    moves: {},
    reboots: {},
    hold: noHold,
    retryTaken: 0,
    phase: 'pending',
    sinceMs: 0,
    phaseMs: {},
    tried: [],
  };
}

const phaseOfStep: Readonly<Record<StepKind, Phase>> = {
  prepare: 'preparing',
  cordon: 'cordoning',
  evacuate: 'evacuating',
  service: 'servicing',
  reboot: 'rebooting',
  rejoin: 'rejoining',
  verify: 'verifying',
  return: 'returning',
};

/** Whether the server may be half changed: there is no way back any more. */
export function isServerPastReturn(state: ServerState, program: readonly ProgramStep[]): boolean {
  return program.some((step) => isPastReturn(step.kind) && state.steps[step.id]?.kind !== 'pending');
}

function enter(state: ServerState, phase: Phase, atMs: number): ServerState {
  if (phase === state.phase) return state;
  const spentMs = state.sinceMs === 0 ? 0 : atMs - state.sinceMs;
  return {
    ...state,
    phase,
    sinceMs: atMs,
    startedMs: state.startedMs ?? atMs,
    phaseMs: { ...state.phaseMs, [state.phase]: (state.phaseMs[state.phase] ?? 0) + spentMs },
  };
}

function illegal(state: ServerState, event: ServerEvent): never {
  throw new InvariantError(`${event.kind} cannot follow in the journal of ${state.server} at ${state.version + 1}`);
}

function withStep(state: ServerState, step: string, status: StepStatus): ServerState {
  return { ...state, steps: { ...state.steps, [step]: status } };
}

function startStep(
  state: ServerState,
  event: Extract<ServerEvent, { kind: 'stepStarted' }>,
  atMs: number,
  program: readonly ProgramStep[],
): ServerState {
  const index = program.findIndex((step) => step.id === event.step);
  const step = program[index];
  const before = state.steps[event.step];
  const isInOrder = program.slice(0, index).every((earlier) => state.steps[earlier.id]?.kind === 'finished');
  if (!step || !before || !isInOrder || state.undo) illegal(state, event);
  // A step that was started and never finished may be taken up again only through a failure that says so.
  if (before.kind !== 'pending' && before.kind !== 'failed') illegal(state, event);
  const sinceMs = before.kind === 'failed' ? before.sinceMs : atMs;
  return enter(
    withStep(state, event.step, { kind: 'started', attempt: event.attempt, sinceMs }),
    phaseOfStep[step.kind],
    atMs,
  );
}

function failStep(state: ServerState, event: Extract<ServerEvent, { kind: 'stepFailed' }>, atMs: number): ServerState {
  const before = state.steps[event.step];
  if (before?.kind !== 'started') illegal(state, event);
  const inARow = state.lastError;
  const lastError = {
    code: event.code,
    message: event.message,
    count: (inARow?.count ?? 0) + 1,
    firstMs: inARow?.firstMs ?? atMs,
    atMs,
  };
  return {
    ...withStep(state, event.step, { ...before, kind: 'failed', disposition: event.disposition }),
    lastError,
  };
}

function updateReboot(state: ServerState, step: string, change: (log: RebootLog) => RebootLog): ServerState {
  const log = state.reboots[step] ?? { rungs: [], power: [] };
  return { ...state, reboots: { ...state.reboots, [step]: change(log) } };
}

const rungText: Readonly<Record<Rung, string>> = {
  ssh: 'asked over SSH',
  'bmc-soft': 'BMC soft shutdown',
  'bmc-cycle': 'BMC hard off and on',
};

function tell(state: ServerState, atMs: number, text: string): ServerState {
  return { ...state, tried: [...state.tried, { atMs, text }] };
}

/** A retry after a halt goes on at the step that failed; after an undo it begins from the start. */
function retry(state: ServerState, request: number, atMs: number): ServerState {
  const fresh = state.ended?.outcome === 'halted' ? {} : { moves: {} };
  const keep = state.ended?.outcome === 'halted';
  const steps = Object.fromEntries(
    Object.entries(state.steps).map(([id, status]): [string, StepStatus] => [
      id,
      keep && status.kind === 'finished' ? status : { kind: 'pending' },
    ]),
  );
  // A command that ended badly gets a new id, a rung a new turn: a person has asked for another try.
  const actions = Object.fromEntries(
    Object.entries(state.actions).map(([id, logs]) => [
      id,
      keep ? Object.fromEntries(Object.entries(logs).filter(([, log]) => log.finished)) : {},
    ]),
  );
  const open = Object.keys(state.reboots).filter((id) => !(keep && state.steps[id]?.kind === 'finished'));
  const reboots = Object.fromEntries(Object.entries(state.reboots).filter(([id]) => !open.includes(id)));
  return {
    ...enter(state, 'pending', atMs),
    ...fresh,
    steps,
    actions,
    reboots,
    retryTaken: request,
    ended: undefined,
    undo: undefined,
    lastError: undefined,
    hold: noHold,
    tried: [],
  };
}

/** The next state, or an InvariantError where the event cannot be true. */
export function applyServerEvent(
  state: ServerState,
  event: ServerEvent,
  atMs: number,
  program: readonly ProgramStep[],
): ServerState {
  const next = { ...applyKind(state, event, atMs, program), version: state.version + 1 };
  return next;
}

function applyKind(state: ServerState, event: ServerEvent, atMs: number, program: readonly ProgramStep[]): ServerState {
  if (state.ended && event.kind !== 'retried') illegal(state, event);
  switch (event.kind) {
    case 'stepStarted':
      return startStep(state, event, atMs, program);
    case 'stepFinished':
      if (state.steps[event.step]?.kind !== 'started') illegal(state, event);
      return {
        ...withStep(state, event.step, { kind: 'finished', evidence: event.evidence }),
        lastError: undefined,
        hold: noHold,
      };
    case 'stepFailed':
      // A halt's message becomes the reason of the end; what was tried before it is the list.
      return event.disposition === 'halt'
        ? failStep(state, event, atMs)
        : tell(failStep(state, event, atMs), atMs, event.message);
    case 'holdChanged':
      return { ...state, hold: event.hold };
    case 'noted':
      return { ...state, notes: { ...state.notes, [event.step]: { ...state.notes[event.step], ...event.facts } } };
    case 'actionStarted':
    case 'actionFinished':
      return applyAction(state, event);
    case 'moveStarted':
    case 'moveProgressed':
    case 'moveCommitted':
    case 'moveFinished':
      return applyMove(state, event, atMs);
    case 'rungStarted': {
      const { rung, commandId } = event;
      if (state.steps[event.step]?.kind !== 'started') illegal(state, event);
      return tell(
        updateReboot(state, event.step, (log) => ({ rungs: [...log.rungs, { rung, atMs, commandId }], power: [] })),
        atMs,
        rungText[rung],
      );
    }
    case 'powerAsked':
    case 'powerSeen':
      return applyPower(state, event, atMs);
    case 'undoStarted':
      if (state.undo || isServerPastReturn(state, program)) illegal(state, event);
      return enter(
        { ...state, undo: { because: event.because, outcome: event.outcome, steps: [] }, hold: noHold },
        'undoing',
        atMs,
      );
    case 'stepUndone':
      if (!state.undo) illegal(state, event);
      return { ...state, undo: { ...state.undo, steps: [...state.undo.steps, event.step] } };
    case 'retried':
      if (state.ended?.outcome !== 'halted' && state.ended?.outcome !== 'undone') illegal(state, event);
      return retry(state, event.request, atMs);
    case 'ended':
      return enter(
        { ...state, ended: { outcome: event.outcome, reason: event.reason, atMs }, hold: noHold },
        event.outcome,
        atMs,
      );
    default:
      return unreachable(event);
  }
}

function applyAction(
  state: ServerState,
  event: Extract<ServerEvent, { kind: 'actionStarted' | 'actionFinished' }>,
): ServerState {
  const logs = state.actions[event.step] ?? {};
  const before = logs[event.action];
  if (event.kind === 'actionFinished' && !before) illegal(state, event);
  const log =
    event.kind === 'actionStarted'
      ? { commandId: event.commandId, finished: false }
      : { commandId: before?.commandId ?? '', finished: true };
  return { ...state, actions: { ...state.actions, [event.step]: { ...logs, [event.action]: log } } };
}

function applyMove(state: ServerState, event: MoveEvent, atMs: number): ServerState {
  const { uid } = event.pod;
  const move = nextMove(state.moves[uid], event, atMs, triesWith(state.moves, uid));
  if (!move) illegal(state, event);
  return { ...state, moves: { ...state.moves, [uid]: move } };
}

function applyPower(
  state: ServerState,
  event: Extract<ServerEvent, { kind: 'powerAsked' | 'powerSeen' }>,
  atMs: number,
): ServerState {
  const entry =
    event.kind === 'powerAsked'
      ? { kind: 'asked' as const, state: event.request, atMs }
      : { kind: 'seen' as const, state: event.state, atMs };
  const log = state.reboots[event.step];
  if (!log || log.rungs.length === 0) illegal(state, event);
  // A second "on" of the same rung would be a second power cycle for one intent.
  const isSecondOn =
    entry.kind === 'asked' && entry.state === 'on' && log.power.some((p) => p.kind === 'asked' && p.state === 'on');
  if (isSecondOn) illegal(state, event);
  const changed = updateReboot(state, event.step, (before) => ({ ...before, power: [...before.power, entry] }));
  return tell(changed, atMs, entry.kind === 'asked' ? `power ${entry.state} asked` : `power seen ${entry.state}`);
}
