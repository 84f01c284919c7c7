/**
 * What comes next in the rebalancing after the last wave. Pure.
 *
 * It chooses neither pods nor servers; it says when a move may start, when one is called back, and when all of it ends.
 * It always ends by itself: every wait here has a bound.
 */
import { podKey } from '../cluster/pod.ts';
import { stateAt } from '../schedule/schedule.ts';
import type { RunObservation } from './decide-run.ts';
import type { Hold } from './hold.ts';
import { openMove, type RebalanceMove, type RebalanceState } from './rebalance-state.ts';
import type { RunState } from './run-state.ts';

export type RebalanceDecision =
  | { readonly kind: 'start' }
  | { readonly kind: 'wait'; readonly hold: Hold }
  | { readonly kind: 'advance'; readonly open: RebalanceMove }
  | { readonly kind: 'callBack'; readonly open: RebalanceMove; readonly because: string }
  /** Once the workload of the moved pod is well, or at `untilMs` although it is not. */
  | { readonly kind: 'measure'; readonly open: RebalanceMove; readonly untilMs: number }
  | { readonly kind: 'next' }
  | { readonly kind: 'end'; readonly reason: string };

/** The rebalancing acts above so many points between the fullest and the emptiest server, and is content below. */
export const calmPoints = 20;
/** So long the workload of a moved pod may take to be well again; after it nothing more is moved. */
const settleMs = 5 * 60_000;
/** A server that is out of service is waited for so long: it may only just be coming back. */
const absentMs = 5 * 60_000;

/** After the last wave there is something to rebalance, or the rebalancing is not over yet. */
export function isRebalancing(run: RunState): boolean {
  const policy = run.definition.rebalance?.policy ?? 'none';
  if (policy === 'none' || run.ended || run.rebalance?.ended) return false;
  return run.waves.every((wave) => wave.kind === 'finished');
}

export function decideRebalance(run: RunState, { nowMs, down }: RunObservation): RebalanceDecision {
  const { rebalance } = run;
  const absent = [...down].sort().join(', ');
  if (!rebalance) {
    const lastEndMs = Math.max(run.createdMs, ...Object.values(run.ends).map((end) => end.atMs));
    const isWaiting = absent !== '' && nowMs - lastEndMs < absentMs;
    return isWaiting ? { kind: 'wait', hold: waitingFor(absent) } : { kind: 'start' };
  }
  const open = openMove(rebalance);
  if (open) return decideOpen(run, open, nowMs);
  const reason = reasonToEnd(run, rebalance, nowMs);
  if (reason !== undefined) return { kind: 'end', reason };
  if (run.pausedBy !== undefined) return { kind: 'wait', hold: { kind: 'paused', by: run.pausedBy } };
  if (absent === '') return { kind: 'next' };
  const sinceMs = Math.max(rebalance.sinceMs, rebalance.moves.at(-1)?.finishedMs ?? 0);
  if (nowMs - sinceMs >= absentMs) return { kind: 'end', reason: `${absent} out of service` };
  return { kind: 'wait', hold: waitingFor(absent) };
}

function waitingFor(absent: string): Hold {
  return { kind: 'waiting', for: 'capacity', text: `rebalancing: ${absent} out of service` };
}

function decideOpen(run: RunState, open: RebalanceMove, nowMs: number): RebalanceDecision {
  const { result, startedMs } = open.move;
  if (result === undefined) {
    if (run.stoppedBy !== undefined) return { kind: 'callBack', open, because: `stopped by ${run.stoppedBy}` };
    const isLate = nowMs - startedMs >= run.definition.evacuation.timeoutMs;
    return isLate ? { kind: 'callBack', open, because: 'it took too long' } : { kind: 'advance', open };
  }
  if (run.stoppedBy !== undefined) return { kind: 'end', reason: `stopped by ${run.stoppedBy}` };
  return { kind: 'measure', open, untilMs: (open.finishedMs ?? nowMs) + settleMs };
}

function reasonToEnd(run: RunState, { moves, now, sinceMs }: RebalanceState, nowMs: number): string | undefined {
  const { rebalance: policy, schedule } = run.definition;
  if (run.stoppedBy !== undefined) return `stopped by ${run.stoppedBy}`;
  const last = moves.at(-1);
  if (last?.helped === false) return reasonOfLast(last);
  if (policy?.policy === 'spread' && now.points <= calmPoints) return '';
  if (!policy || moves.length >= policy.maxMoves) return `as many moves as the plan allows: ${moves.length}`;
  if (run.pausedBy !== undefined) return undefined;
  if (nowMs - sinceMs >= policy.timeoutMs) return 'its time was over';
  // Nobody expects restarts after the window; a live move is work of the same kind.
  if (schedule && stateAt(schedule, nowMs).kind !== 'open') return 'the window has shut';
  return undefined;
}

function reasonOfLast({ move }: RebalanceMove): string {
  const name = podKey(move.pod);
  return move.result === 'failed' ? `${name} failed to move: ${move.because}` : `moving ${name} brought nothing`;
}
