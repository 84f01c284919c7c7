/** The rebalancing after the last wave, as a part of the fold over the run's stream. It decides nothing. */
import { unreachable } from '../errors/maintenance-error.ts';
import type { RunEvent, Spread } from './events.ts';
import { nextMove, type Move } from './move-state.ts';

export interface RebalanceMove {
  readonly move: Move;
  readonly from: string;
  /** How full `from` was before it, in percent. */
  readonly percent: number;
  readonly to: string;
  /** The uid of the pod's controller, empty for a bare pod, and how many pods it had. */
  readonly group: string;
  readonly members: number;
  readonly finishedMs?: number | undefined;
  /** Once it was measured: whether it has brought what it was made for. */
  readonly helped?: boolean | undefined;
}

export interface RebalanceState {
  /** When it began, or was last resumed: its time is counted from here. */
  readonly sinceMs: number;
  readonly before: Spread;
  /** The latest measurement. */
  readonly now: Spread;
  readonly moves: readonly RebalanceMove[];
  readonly ended?: { readonly after?: Spread | undefined; readonly reason: string; readonly atMs: number } | undefined;
}

type RebalanceEvent = Extract<RunEvent, { kind: `rebalance${string}` }>;

/** The move that is not yet through: under way, or not yet measured. */
export function openMove(state: RebalanceState): RebalanceMove | undefined {
  const last = state.moves.at(-1);
  return last && last.helped === undefined ? last : undefined;
}

/** `undefined`: the event cannot follow. */
export function applyRebalanceEvent(
  state: RebalanceState | undefined,
  event: RebalanceEvent,
  atMs: number,
): RebalanceState | undefined {
  if (event.kind === 'rebalanceStarted') {
    return state ? undefined : { sinceMs: atMs, before: event.before, now: event.before, moves: [] };
  }
  if (!state || state.ended) return undefined;
  const open = openMove(state);
  switch (event.kind) {
    case 'rebalanceMoveStarted': {
      const { kind: _kind, move: started, ...about } = event;
      const isAgain = state.moves.some(({ move }) => move.pod.uid === started.pod.uid);
      const move = open || isAgain ? undefined : nextMove(undefined, started, atMs);
      return move && { ...state, moves: [...state.moves, { ...about, move }] };
    }
    case 'rebalanceMoveChanged': {
      const move = nextMove(open?.move, event.change, atMs);
      return open && move && withLast(state, { ...open, move, finishedMs: move.result && atMs });
    }
    case 'rebalanceMeasured':
      if (open?.move.result === undefined) return undefined;
      return { ...withLast(state, { ...open, helped: event.helped }), now: event.spread };
    case 'rebalanceEnded':
      if (open && open.move.result === undefined) return undefined;
      return { ...state, now: event.after ?? state.now, ended: { after: event.after, reason: event.reason, atMs } };
    default:
      return unreachable(event);
  }
}

function withLast(state: RebalanceState, last: RebalanceMove): RebalanceState {
  return { ...state, moves: [...state.moves.slice(0, -1), last] };
}
