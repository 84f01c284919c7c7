/**
 * What a person or a dashboard is shown of a run: a projection of the folded states, with nothing left to compute but
 * layout. The API serves it, the CLI draws it, `-o json` prints it.
 */
import type { Phase, Purpose } from './definition.ts';
import type { Hold } from './hold.ts';
import type { Outcome, Spread } from './events.ts';

export interface ServerRow {
  readonly name: string;
  readonly node: string;
  readonly wave: number;
  readonly phase: Phase;
  /** Since when it is in this phase; 0 while pending. */
  readonly sinceMs: number;
  readonly hold: Hold;
  /** One line for a person: what is going on right now. */
  readonly doing: string;
  readonly pods: { readonly toMove: number; readonly moved: number };
  readonly lastError?:
    | { readonly code: string; readonly message: string; readonly count: number; readonly atMs: number }
    | undefined;
  readonly startedMs?: number | undefined;
  readonly endedMs?: number | undefined;
  /** Why it ended as it did; empty while it goes on. */
  readonly reason: string;
  /** Time per phase so far, in milliseconds. */
  readonly phaseMs: Readonly<Partial<Record<Phase, number>>>;
  /** What is true and what was tried, oldest first, for a halted server. */
  readonly tried: readonly { readonly atMs: number; readonly text: string }[];
}

/** What has become of the pods after the last wave. */
export interface RebalanceView {
  readonly policy: 'spread' | 'return';
  readonly before: Spread;
  /** The latest measurement; after the end the one at the end. */
  readonly now: Spread;
  readonly moved: number;
  readonly failed: number;
  readonly movesMax: number;
  /** One line for a person; empty where nothing is under way. */
  readonly doing: string;
  readonly hasEnded: boolean;
  /** Why it has ended; empty while it goes on, and where there was nothing more to do. */
  readonly reason: string;
}

export type RunStatus = 'running' | 'paused' | 'stopping' | Outcome;

export interface RunView {
  readonly runId: string;
  readonly purpose: Purpose;
  readonly plan: string;
  readonly playbook: string;
  /** The Git commit of the documents that it was made from. */
  readonly commit?: string | undefined;
  readonly status: RunStatus;
  readonly hold: Hold;
  /** When it halts if it still waits for the same then; left out: it waits for nothing, or however long that takes. */
  readonly givesUpMs?: number | undefined;
  readonly reason: string;
  readonly createdMs: number;
  readonly endedMs?: number | undefined;
  /** Index of the wave in progress, from 0, and how many there are. */
  readonly wave: number;
  readonly waves: number;
  readonly counts: {
    readonly total: number;
    readonly done: number;
    readonly failed: number;
    readonly active: number;
    readonly skipped: number;
  };
  readonly podsMoved: number;
  readonly rebalance?: RebalanceView | undefined;
  /** Predicted end, from the time that finished servers took; undefined until one has finished. */
  readonly endsAboutMs?: number | undefined;
  readonly servers: readonly ServerRow[];
}
