/**
 * Folded journals, kept so that only what is new has to be read. It decides nothing.
 */
import { InvariantError } from '../errors/maintenance-error.ts';
import type { Journal, JournalEntry } from '../ports/journal.ts';
import type { Lease } from '../ports/leases.ts';
import type { Clock } from '../ports/clock.ts';
import { RunEvent, ServerEvent, type JournalEvent } from '../workflow/events.ts';
import { applyRunEvent, createRun, type RunState } from '../workflow/run-state.ts';
import { applyServerEvent, emptyServerState, type ServerState } from '../workflow/server-state.ts';
import type { RunDefinition } from '../workflow/definition.ts';

export class RunLog {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #runs = new Map<string, RunState>();
  readonly #servers = new Map<string, ServerState>();

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** `undefined`: no run of this id has a journal. */
  async run(runId: string): Promise<RunState | undefined> {
    const known = this.#runs.get(runId);
    const fresh = await this.#journal.read({ runId }, known?.version ?? 0);
    const state = foldRun(known, fresh);
    // A slower reader must not put an older state over a newer one.
    if (state && state.version >= (this.#runs.get(runId)?.version ?? 0)) this.#runs.set(runId, state);
    return state;
  }

  async server(definition: RunDefinition, server: string): Promise<ServerState> {
    const key = `${definition.runId}/${server}`;
    const known = this.#servers.get(key) ?? emptyServerState(server, definition.program);
    const fresh = await this.#journal.read({ runId: definition.runId, server }, known.version);
    const state = foldServer(known, fresh, definition);
    if (state.version >= (this.#servers.get(key)?.version ?? 0)) this.#servers.set(key, state);
    return state;
  }

  async appendRun(runId: string, version: number, events: readonly RunEvent[], lease?: Lease): Promise<void> {
    await this.#journal.append({ runId }, version, this.#clock.nowMs(), events, lease);
  }

  /** Folds first, so that an event that cannot follow is found before it is written. */
  async appendServer(
    definition: RunDefinition,
    state: ServerState,
    events: readonly ServerEvent[],
    lease: Lease,
  ): Promise<ServerState> {
    const atMs = this.#clock.nowMs();
    const next = events.reduce((before, event) => applyServerEvent(before, event, atMs, definition.program), state);
    const stream = { runId: definition.runId, server: state.server };
    await this.#journal.append(stream, state.version, atMs, events, lease);
    this.#servers.set(`${definition.runId}/${state.server}`, next);
    return next;
  }

  /** Ended runs stay known by their last state; nothing is read for them. */
  known(runId: string): RunState | undefined {
    return this.#runs.get(runId);
  }
}

export function foldRun(known: RunState | undefined, entries: readonly JournalEntry[]): RunState | undefined {
  let state = known;
  for (const { version, atMs, event } of entries) {
    if (version <= (state?.version ?? 0)) continue;
    if (state) state = applyRunEvent(state, asRunEvent(event), atMs);
    else if (event.kind === 'runCreated') state = createRun(event.definition, atMs);
    else throw new InvariantError(`a run's journal begins with ${event.kind}`);
  }
  return state;
}

export function foldServer(
  known: ServerState,
  entries: readonly JournalEntry[],
  definition: RunDefinition,
): ServerState {
  return entries
    .filter((entry) => entry.version > known.version)
    .reduce((state, { event, atMs }) => applyServerEvent(state, asServerEvent(event), atMs, definition.program), known);
}

const serverKinds: ReadonlySet<string> = new Set(ServerEvent.options.map((option) => option.shape.kind.value));
const runKinds: ReadonlySet<string> = new Set(RunEvent.options.map((option) => option.shape.kind.value));

function isServerEvent(event: JournalEvent): event is ServerEvent {
  return serverKinds.has(event.kind);
}

function isRunEvent(event: JournalEvent): event is RunEvent {
  return runKinds.has(event.kind);
}

function asServerEvent(event: JournalEvent): ServerEvent {
  if (!isServerEvent(event)) throw new InvariantError(`${event.kind} does not belong in a server's journal`);
  return event;
}

function asRunEvent(event: JournalEvent): RunEvent {
  if (!isRunEvent(event)) throw new InvariantError(`${event.kind} does not belong in a run's journal`);
  return event;
}
