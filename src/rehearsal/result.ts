/** What a rehearsal tells: plain data, for people's eyes and for machines. */
import type { Phase } from '../workflow/definition.ts';
import type { Outcome } from '../workflow/events.ts';
import type { AssumedCommand } from './scripts.ts';
import type { RequestedFault } from './faults.ts';

export interface Bar {
  readonly phase: Phase;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Time in which something was waited for that is no part of the work. */
export interface Wait {
  readonly for: string;
  readonly text: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RehearsedServer {
  readonly name: string;
  /** From 0. */
  readonly wave: number;
  /** `unfinished`: the rehearsal ended before it did. `waiting`: it never started. */
  readonly outcome: Outcome | 'unfinished' | 'waiting';
  readonly reason: string;
  readonly startedMs?: number | undefined;
  readonly endedMs?: number | undefined;
  readonly podsMoved: number;
  readonly bars: readonly Bar[];
  readonly waits: readonly Wait[];
  /** What was tried, oldest first, where it did not end well. */
  readonly tried: readonly { readonly atMs: number; readonly text: string }[];
}

export interface Band {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
}

export interface Rehearsal {
  readonly plan: string;
  readonly playbook: string;
  readonly seed: number;
  /** When the snapshot was taken. */
  readonly takenMs: number;
  readonly startMs: number;
  readonly endMs: number;
  /** `unfinished`: at the end of the time that is looked at, the run was still waiting. */
  readonly outcome: Outcome | 'unfinished';
  readonly reason: string;
  /** Whether no server that started was at work outside an open window; left out: the plan has no windows. */
  readonly fitsWindow?: boolean | undefined;
  readonly servers: readonly RehearsedServer[];
  /** Servers whose nodes are out of service at the end. */
  readonly leftDown: readonly string[];
  /** Waits of the run as a whole: soak, approval, window, budget. */
  readonly waits: readonly Wait[];
  readonly windows: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly blackouts: readonly Band[];
  readonly timeZone?: string | undefined;
  readonly podsMoved: number;
  readonly faults: readonly RequestedFault[];
  /** What was taken for granted, one sentence each. */
  readonly assumptions: readonly string[];
  readonly assumedCommands: readonly AssumedCommand[];
}
