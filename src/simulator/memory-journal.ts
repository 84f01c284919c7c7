/**
 * The journal in memory, for tests and rehearsals: the same rules as in Redis, pinned by the same contract suite.
 *
 * It can be started from any part of what it once held, so that a test can crash the engine after every entry.
 */
import { InvariantError, MaintenanceError } from '../errors/maintenance-error.ts';
import type { Journal, JournalEntry, OutputLine, StreamId } from '../ports/journal.ts';
import type { Lease } from '../ports/leases.ts';
import { JournalEvent } from '../workflow/events.ts';

/** One entry with its stream. */
export interface RecordedEntry {
  readonly stream: StreamId;
  readonly entry: JournalEntry;
}

export interface MemoryJournalFaults {
  /** The next so many calls find nobody. */
  unreachableTimes: number;
  /** The next so many appends are carried out, and their answer is lost for good. */
  loseAnswerTimes: number;
}

export interface MemoryJournalOptions {
  /** Who judges fencing tokens; without it every lease is good. */
  readonly leases?: { isHeld(name: string, token: number): boolean };
  /** As from `snapshot()`, or a prefix of it. */
  readonly entries?: readonly RecordedEntry[];
  readonly outputLinesMax?: number;
}

export class MemoryJournal implements Journal {
  readonly faults: MemoryJournalFaults = { unreachableTimes: 0, loseAnswerTimes: 0 };
  readonly #options: MemoryJournalOptions;
  /** In the order in which it was written, as text, so that nobody can change it afterwards. */
  readonly #log: { readonly key: string; readonly text: string }[] = [];
  readonly #streams = new Map<string, string[]>();
  readonly #runIds: string[] = [];
  readonly #outputs = new Map<string, OutputLine[]>();
  readonly #listeners = new Set<(stream: StreamId) => void>();

  constructor(options: MemoryJournalOptions = {}) {
    this.#options = options;
    for (const { stream, entry } of options.entries ?? []) this.#write(stream, entry);
  }

  /** Everything so far, or everything after the first so many, in the order in which it was written over all streams. */
  snapshot(after = 0): RecordedEntry[] {
    return this.#log
      .slice(after)
      .map(({ key, text }) => ({ stream: streamOf(key), entry: JSON.parse(text) as JournalEntry }));
  }

  async read(stream: StreamId, afterVersion = 0): Promise<JournalEntry[]> {
    this.#reach();
    const texts = this.#streams.get(keyOf(stream)) ?? [];
    return texts.slice(afterVersion).map((text) => JSON.parse(text) as JournalEntry);
  }

  readMany(streams: readonly StreamId[]): Promise<JournalEntry[][]> {
    return Promise.all(streams.map((stream) => this.read(stream)));
  }

  async append(
    stream: StreamId,
    expectedVersion: number,
    atMs: number,
    events: readonly JournalEvent[],
    lease?: Lease,
  ): Promise<number> {
    if (events.length === 0) throw new InvariantError('an append without events');
    this.#reach();
    if (lease && this.#options.leases?.isHeld(lease.name, lease.token) === false) {
      const message = `the lease ${lease.name} is no longer held under token ${lease.token}`;
      throw new MaintenanceError('journal/fenced', 'halt', message);
    }
    const version = this.#streams.get(keyOf(stream))?.length ?? 0;
    if (version !== expectedVersion) {
      const message = `${keyOf(stream).replace('\n', ' ')} is at version ${version}, not at ${expectedVersion}`;
      throw new MaintenanceError('journal/conflict', 'retry', message);
    }
    // Checked here and not when it is read, so that a test fails where the mistake is.
    const parsed = events.map((event) => JournalEvent.parse(event));
    for (const [index, event] of parsed.entries()) this.#write(stream, { version: version + index + 1, atMs, event });
    // Later, as from another process: nobody may rely on being told before the append returns.
    for (const listener of this.#listeners) queueMicrotask(() => listener(stream));
    if (this.faults.loseAnswerTimes > 0) {
      this.faults.loseAnswerTimes -= 1;
      throw new MaintenanceError('journal/unreachable', 'retry', 'the answer of the journal was lost');
    }
    return version + parsed.length;
  }

  async runIds(): Promise<string[]> {
    this.#reach();
    return [...this.#runIds];
  }

  async appendOutput(stream: StreamId, line: OutputLine): Promise<void> {
    this.#reach();
    const lines = this.#outputs.get(keyOf(stream)) ?? [];
    lines.push({ ...line });
    if (lines.length > (this.#options.outputLinesMax ?? 2_000)) lines.shift();
    this.#outputs.set(keyOf(stream), lines);
  }

  async readOutput(stream: StreamId): Promise<OutputLine[]> {
    this.#reach();
    return [...(this.#outputs.get(keyOf(stream)) ?? [])];
  }

  onAppend(listener: (stream: StreamId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #write(stream: StreamId, entry: JournalEntry): void {
    const key = keyOf(stream);
    const text = JSON.stringify(entry);
    const texts = this.#streams.get(key) ?? [];
    texts.push(text);
    this.#streams.set(key, texts);
    this.#log.push({ key, text });
    if (!this.#runIds.includes(stream.runId)) this.#runIds.push(stream.runId);
  }

  #reach(): void {
    if (this.faults.unreachableTimes === 0) return;
    this.faults.unreachableTimes -= 1;
    throw new MaintenanceError('journal/unreachable', 'retry', 'the journal cannot be reached');
  }
}

/** No name has a line break. */
function keyOf({ runId, server }: StreamId): string {
  return server === undefined ? runId : `${runId}\n${server}`;
}

function streamOf(key: string): StreamId {
  const [runId = '', server] = key.split('\n');
  return server === undefined ? { runId } : { runId, server };
}
