/**
 * What one server's worker does next: a pure function of the definition, the folded state and what people asked for.
 *
 * It never looks at the world; whether a step's goal holds already is the step's own question.
 */
import { isPastReturn, type ProgramStep, type RunDefinition } from './definition.ts';
import type { Outcome } from './events.ts';
import type { Hold } from './hold.ts';
import { isServerPastReturn, type LastError, type ServerState } from './server-state.ts';
import type { RunState } from './run-state.ts';
import { windowHold } from './window.ts';

/** What the run's stream says about this server. */
export interface Control {
  readonly admitted: boolean;
  readonly pausedBy?: string | undefined;
  readonly stoppedBy?: string | undefined;
  readonly skip: boolean;
  /** Version of the last retry request; 0 for none. */
  readonly retryRequest: number;
}

export type ServerDecision =
  | { readonly kind: 'rest'; readonly because: string }
  | { readonly kind: 'hold'; readonly hold: Hold }
  | { readonly kind: 'start'; readonly step: ProgramStep; readonly attempt: number }
  | { readonly kind: 'advance'; readonly step: ProgramStep }
  /** The last try failed; the next one waits, in milliseconds. */
  | { readonly kind: 'backOff'; readonly forMs: number }
  | { readonly kind: 'takeRetry'; readonly request: number }
  | { readonly kind: 'beginUndo'; readonly because: string; readonly outcome: 'undone' | 'skipped' }
  | { readonly kind: 'undo'; readonly step: ProgramStep }
  | { readonly kind: 'end'; readonly outcome: Outcome; readonly reason: string };

/** How long a step may go on failing with errors that are worth a retry before a person is asked. */
export const retryForMs = 10 * 60_000;

/** 1 s, 2 s, 4 s … up to 30 s between tries. */
export function backOffMs(failures: number): number {
  return Math.min(30_000, 1_000 * 2 ** Math.min(failures - 1, 10));
}

export function controlOf(run: RunState, server: string): Control {
  return {
    admitted: run.admitted.has(server) && run.ended === undefined,
    pausedBy: run.pausedBy,
    stoppedBy: run.stoppedBy,
    skip: run.skipRequests.has(server),
    retryRequest: run.retryRequests[server] ?? 0,
  };
}

export function decideServer(
  definition: RunDefinition,
  state: ServerState,
  control: Control,
  nowMs: number,
): ServerDecision {
  if (state.ended) {
    if (control.retryRequest > state.retryTaken && state.ended.outcome !== 'done') {
      return { kind: 'takeRetry', request: control.retryRequest };
    }
    return { kind: 'rest', because: `it has ended: ${state.ended.outcome}` };
  }
  if (!control.admitted) return { kind: 'rest', because: 'it has no place in the budget yet' };
  if (state.undo) return continueUndo(definition.program, state);

  const wayBack = !isServerPastReturn(state, definition.program);
  if (wayBack && control.skip) return { kind: 'beginUndo', because: 'skipped', outcome: 'skipped' };
  if (wayBack && control.stoppedBy !== undefined) {
    return { kind: 'beginUndo', because: `the run was stopped by ${control.stoppedBy}`, outcome: 'undone' };
  }
  return decideStep(definition, state, control, nowMs);
}

function decideStep(definition: RunDefinition, state: ServerState, control: Control, nowMs: number): ServerDecision {
  const { program } = definition;
  const prepare = state.steps['prepare'];
  if (prepare?.kind === 'finished' && prepare.evidence['needed'] === false) {
    return { kind: 'end', outcome: 'done', reason: 'nothing to do' };
  }
  const step = program.find((candidate) => state.steps[candidate.id]?.kind !== 'finished');
  if (!step) return { kind: 'end', outcome: 'done', reason: '' };
  const status = state.steps[step.id];
  switch (status?.kind) {
    case undefined:
    case 'finished':
    case 'pending':
      if (control.pausedBy !== undefined && isSafePoint(step, program)) {
        return { kind: 'hold', hold: { kind: 'paused', by: control.pausedBy } };
      }
      return windowDecision(definition, step, state, nowMs) ?? { kind: 'start', step, attempt: 1 };
    case 'started':
      return { kind: 'advance', step };
    case 'failed':
      return afterFailure(step, status, state.lastError, nowMs);
  }
}

/** What has begun may end outside of the window, but a place that was given out is no beginning. */
function windowDecision(
  definition: RunDefinition,
  step: ProgramStep,
  state: ServerState,
  nowMs: number,
): ServerDecision | undefined {
  if (step.kind !== 'prepare' && step.kind !== 'cordon') return undefined;
  const server = definition.servers.find(({ name }) => name === state.server) ?? {};
  const shut = windowHold(definition, server, nowMs, step.kind === 'prepare' ? nowMs : state.startedMs);
  return shut && { kind: 'hold', hold: shut.hold };
}

/** Where a paused server stops: before anything starts, before the cordon, before servicing, before returning. */
function isSafePoint(step: ProgramStep, program: readonly ProgramStep[]): boolean {
  const firstPastReturn = program.find((candidate) => isPastReturn(candidate.kind));
  return step.kind === 'prepare' || step.kind === 'cordon' || step.kind === 'return' || step === firstPastReturn;
}

function afterFailure(
  step: ProgramStep,
  status: { readonly attempt: number; readonly disposition: 'retry' | 'halt' },
  error: LastError | undefined,
  nowMs: number,
): ServerDecision {
  const count = error?.count ?? 1;
  const isWorthRetry = status.disposition === 'retry' && (count < 3 || nowMs - (error?.firstMs ?? nowMs) < retryForMs);
  if (isWorthRetry) {
    const forMs = (error?.atMs ?? nowMs) + backOffMs(count) - nowMs;
    return forMs > 0 ? { kind: 'backOff', forMs } : { kind: 'start', step, attempt: status.attempt + 1 };
  }
  const because = error?.message ?? 'the step failed';
  if (isPastReturn(step.kind)) return { kind: 'end', outcome: 'halted', reason: because };
  return { kind: 'beginUndo', because, outcome: 'undone' };
}

/** Backwards through what was begun; each step decides for itself what there is to take back. */
function continueUndo(program: readonly ProgramStep[], state: ServerState): ServerDecision {
  const undo = state.undo;
  if (!undo) return { kind: 'rest', because: 'nothing to undo' };
  const step = program.findLast(
    (candidate) => state.steps[candidate.id]?.kind !== 'pending' && !undo.steps.includes(candidate.id),
  );
  if (step) return { kind: 'undo', step };
  return { kind: 'end', outcome: undo.outcome, reason: undo.because };
}
