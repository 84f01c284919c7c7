/**
 * The append-only memory of runs. One stream per run (what people and the coordinator say) and one per run and server
 * (what was intended and done there).
 */
import type { JournalEvent } from '../workflow/events.ts';
import type { Lease } from './leases.ts';

/** The stream of a whole run has no `server`. */
export interface StreamId {
  readonly runId: string;
  readonly server?: string | undefined;
}

export interface JournalEntry {
  /** Position in its stream, from 1, without gaps. */
  readonly version: number;
  readonly atMs: number;
  readonly event: JournalEvent;
}

export interface OutputLine {
  readonly atMs: number;
  readonly step: string;
  readonly text: string;
}

export interface Journal {
  /** Everything after `afterVersion` (0 where it is left out), oldest first. */
  read(stream: StreamId, afterVersion?: number): Promise<JournalEntry[]>;
  /** As `read` for each of them, in the same order, but cheap for a hundred streams. */
  readMany(streams: readonly StreamId[]): Promise<JournalEntry[][]>;
  /**
   * Appends all events or none, and only if the stream is still at `expectedVersion` (0: empty). With a lease, only
   * while that lease is still the latest one given out for its name. Returns the new version.
   *
   * After `journal/unreachable` nobody knows whether it was appended: read again before deciding anew.
   *
   * @throws `journal/conflict` (retry), `journal/fenced` (halt), `journal/unreachable` (retry)
   */
  append(
    stream: StreamId,
    expectedVersion: number,
    atMs: number,
    events: readonly JournalEvent[],
    lease?: Lease,
  ): Promise<number>;
  /** Ids of all runs that have a journal, oldest first. */
  runIds(): Promise<string[]>;
  /** Bounded by the adapter: the oldest lines of a stream go first. */
  appendOutput(stream: StreamId, line: OutputLine): Promise<void>;
  readOutput(stream: StreamId): Promise<OutputLine[]>;
  /** Called, on any daemon, soon after something was appended; may miss some, so it is only a hint. */
  onAppend(listener: (stream: StreamId) => void): () => void;
}
