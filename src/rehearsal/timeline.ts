/** From the journal of a rehearsed run to what happened when: bars of phases, and waits. Pure. */
import type { JournalEntry } from '../ports/journal.ts';
import { foldRun, foldServer } from '../engine/run-log.ts';
import type { RunDefinition, RunServer } from '../workflow/definition.ts';
import type { Hold } from '../workflow/hold.ts';
import type { RunState } from '../workflow/run-state.ts';
import { emptyServerState, type ServerState } from '../workflow/server-state.ts';
import type { Bar, RehearsedServer, Wait } from './result.ts';

/** Collects what lasts: from one moment to the next at which something else begins. */
class Spans<T> {
  readonly spans: { readonly what: T; readonly fromMs: number; toMs: number }[] = [];
  #current: { readonly what: T; readonly fromMs: number; readonly key: string } | undefined;

  change(what: T | undefined, key: string, atMs: number): void {
    if (what !== undefined && this.#current?.key === key) return;
    this.end(atMs);
    if (what !== undefined) this.#current = { what, fromMs: atMs, key };
  }

  end(atMs: number): void {
    const current = this.#current;
    if (current && atMs > current.fromMs) this.spans.push({ what: current.what, fromMs: current.fromMs, toMs: atMs });
    this.#current = undefined;
  }
}

export function rehearsedServer(
  definition: RunDefinition,
  run: RunState,
  server: RunServer,
  entries: readonly JournalEntry[],
  endMs: number,
): RehearsedServer {
  const bars = new Spans<Bar['phase']>();
  const waits = new Spans<Hold>();
  let state: ServerState = emptyServerState(server.name, definition.program);
  for (const entry of entries) {
    state = foldServer(state, [entry], definition);
    const isAtWork = state.ended === undefined && state.phase !== 'pending';
    bars.change(isAtWork ? state.phase : undefined, state.phase, entry.atMs);
    noteHold(waits, state.hold, entry.atMs);
  }
  bars.end(state.ended?.atMs ?? endMs);
  waits.end(state.ended?.atMs ?? endMs);
  const end = run.ends[server.name];
  const isStarted = state.startedMs !== undefined;
  return {
    name: server.name,
    wave: definition.waves.findIndex((wave) => wave.servers.includes(server.name)),
    outcome: end?.outcome ?? (isStarted ? 'unfinished' : 'waiting'),
    reason: end?.reason ?? '',
    startedMs: state.startedMs,
    endedMs: end?.atMs,
    podsMoved: Object.values(state.moves).filter((move) => move.result === 'done').length,
    bars: bars.spans.map(({ what, fromMs, toMs }) => ({ phase: what, fromMs, toMs })),
    waits: waits.spans.map(asWait),
    tried: end && end.outcome !== 'done' ? state.tried : [],
  };
}

export function waitsOfRun(entries: readonly JournalEntry[], endMs: number): Wait[] {
  const waits = new Spans<Hold>();
  let run: RunState | undefined;
  for (const entry of entries) {
    run = foldRun(run, [entry]);
    if (run) noteHold(waits, run.hold, entry.atMs);
  }
  waits.end(endMs);
  return waits.spans.map(asWait);
}

function noteHold(waits: Spans<Hold>, hold: Hold, atMs: number): void {
  waits.change(hold.kind === 'none' ? undefined : hold, JSON.stringify(hold), atMs);
}

function asWait({ what, fromMs, toMs }: { what: Hold; fromMs: number; toMs: number }): Wait {
  switch (what.kind) {
    case 'none':
      return { for: 'nothing', text: '', fromMs, toMs };
    case 'paused':
      return { for: 'pause', text: `paused by ${what.by}`, fromMs, toMs };
    case 'waiting':
      return { for: what.for, text: what.text, fromMs, toMs };
    case 'blocked':
      return { for: 'blocker', text: what.by, fromMs, toMs };
  }
}
