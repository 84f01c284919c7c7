/** One pod's move as a fold over its events. It decides nothing; what cannot follow gives nothing. */
import { unreachable } from '../errors/maintenance-error.ts';
import type { PodRef } from '../cluster/pod.ts';
import type { ServerEvent } from './events.ts';

export type MoveEvent = Extract<
  ServerEvent,
  { kind: 'moveStarted' | 'moveProgressed' | 'moveCommitted' | 'moveFinished' }
>;

/** The latest word on a move that is under way. */
export interface MoveStage {
  readonly phase: 'queued' | 'copying' | 'cutover';
  readonly note: string;
  readonly doneBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  readonly atMs: number;
}

export interface Move {
  readonly pod: PodRef;
  readonly mover: string;
  readonly promise: string;
  readonly id: string;
  readonly target: string;
  readonly predictedMs: number;
  readonly timeoutMs: number;
  readonly budgets: readonly string[];
  readonly startedMs: number;
  readonly stage?: MoveStage | undefined;
  readonly isCommitted: boolean;
  readonly result?: 'done' | 'rolledBack' | 'failed' | undefined;
  readonly because?: string | undefined;
  /** What it has really kept, and where it is now, of a move that is done. */
  readonly kept?: string | undefined;
  readonly node?: string | undefined;
  /** The pod that it is now, also where it is back on its server under another uid. */
  readonly newUid?: string | undefined;
  readonly freezeMs?: number | undefined;
  /** Tries with this pod in this run that did not work out, oldest first. */
  readonly tries: readonly Try[];
}

export interface Try {
  readonly mover: string;
  readonly target: string;
  readonly result: 'rolledBack' | 'failed';
}

/** With this pod so far; also with what it was before a move that was rolled back had to make its object anew. */
export function triesWith(moves: Readonly<Record<string, Move>>, uid: string): readonly Try[] {
  const isItself = ({ result, newUid }: Move): boolean => result === 'rolledBack' && newUid === uid;
  return (moves[uid] ?? Object.values(moves).find(isItself))?.tries ?? [];
}

/** `undefined`: the event cannot follow. */
export function nextMove(
  before: Move | undefined,
  event: MoveEvent,
  atMs: number,
  tries: readonly Try[] = before?.tries ?? [],
): Move | undefined {
  if (event.kind === 'moveStarted') {
    // A move under way, or one that has succeeded, is never begun a second time.
    if (before && (!before.result || before.result === 'done')) return undefined;
    const { kind: _kind, ...order } = event;
    return { ...order, startedMs: atMs, isCommitted: false, tries };
  }
  if (!before || before.result) return undefined;
  switch (event.kind) {
    case 'moveProgressed': {
      const { kind: _kind, pod: _pod, ...stage } = event;
      return { ...before, stage: { ...stage, atMs } };
    }
    case 'moveCommitted':
      return { ...before, isCommitted: true };
    case 'moveFinished':
      return finished(before, event);
    default:
      return unreachable(event);
  }
}

function finished(move: Move, event: Extract<MoveEvent, { kind: 'moveFinished' }>): Move {
  const { result, because, evidence } = event;
  const { mover, target } = move;
  const tries = result === 'done' ? move.tries : [...move.tries, { mover, target, result }];
  const { kept, node, uid: newUid, freezeMs } = evidence ?? {};
  return { ...move, result, because, kept, node, newUid, freezeMs, stage: undefined, tries };
}
