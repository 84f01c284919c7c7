/**
 * What the checker knows of the journal: read from the entries themselves and not through `src/workflow`, whose mistakes it
 * is there to find. It keeps only what an invariant asks for, and decides nothing.
 */
import type { RecordedEntry } from '../../src/simulator/memory-journal.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import type { Outcome, RunEvent, ServerEvent } from '../../src/workflow/events.ts';

/** Before these nothing on the server itself has been changed, so a way back needs no proof. */
const harmless: ReadonlySet<string> = new Set(['prepare', 'cordon', 'evacuate']);

export interface ServerRecord {
  admitted: boolean;
  /** In the run's stream. */
  endedAtMs: number | undefined;
  /** In the server's own stream. */
  outcome: Outcome | undefined;
  /** Halted, and neither a person nor a later success has freed its place since. */
  holdsPlace: boolean;
  /** A step past the point of no return was begun. */
  isTouched: boolean;
  isVerified: boolean;
  rungs: number;
  asksForOn: number;
  commandIds: Set<string>;
}

export interface RunRecord {
  readonly definition: RunDefinition;
  readonly servers: Map<string, ServerRecord>;
  firstAdmittedMs: number | undefined;
  ended: { readonly outcome: Outcome; readonly reason: string } | undefined;
  /** When the run first moved a pod: what is younger may be the replacement of one that it has moved. */
  firstMoveMs: number;
  /** From the beginning of the rebalancing on. */
  rebalance: RebalanceRecord | undefined;
}

interface RebalanceRecord {
  readonly uids: string[];
  /** The move that was begun and is not through. */
  open: string | undefined;
  hasEnded: boolean;
}

function emptyRecord(): ServerRecord {
  return {
    admitted: false,
    endedAtMs: undefined,
    outcome: undefined,
    holdsPlace: false,
    isTouched: false,
    isVerified: false,
    rungs: 0,
    asksForOn: 0,
    commandIds: new Set(),
  };
}

export class Records {
  readonly #runs = new Map<string, RunRecord>();
  /** Entries read so far. */
  count = 0;

  /** Returns the servers whose verification was recorded just now. */
  note(entries: readonly RecordedEntry[]): { run: RunRecord; server: string }[] {
    const verified: { run: RunRecord; server: string }[] = [];
    for (const { stream, entry } of entries) {
      this.count += 1;
      const { event, atMs } = entry;
      if (event.kind === 'runCreated') {
        const servers = new Map(event.definition.servers.map(({ name }) => [name, emptyRecord()]));
        this.#runs.set(stream.runId, {
          definition: event.definition,
          servers,
          firstAdmittedMs: undefined,
          ended: undefined,
          firstMoveMs: Number.POSITIVE_INFINITY,
          rebalance: undefined,
        });
        continue;
      }
      const run = this.#runs.get(stream.runId);
      if (!run) throw new Error(`an entry of ${stream.runId} before its beginning`);
      if (event.kind === 'moveStarted') run.firstMoveMs = Math.min(run.firstMoveMs, atMs);
      const server = stream.server === undefined ? undefined : run.servers.get(stream.server);
      if (server === undefined) noteRunEvent(run, event as RunEvent, atMs);
      else noteServerEvent(server, event as ServerEvent);
      const isVerified = event.kind === 'stepFinished' && event.step === 'verify';
      if (isVerified && stream.server !== undefined) verified.push({ run, server: stream.server });
    }
    return verified;
  }

  run(runId: string): RunRecord | undefined {
    return this.#runs.get(runId);
  }

  /** The one that has this server now; a run that has ended may still be going on with one after a retry. */
  runOf(server: string): RunRecord | undefined {
    return [...this.#runs.values()].findLast((run) => run.servers.has(server));
  }

  all(): RunRecord[] {
    return [...this.#runs.values()];
  }
}

function noteRunEvent(run: RunRecord, event: RunEvent, atMs: number): void {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (event.kind) {
    case 'serverAdmitted': {
      run.firstAdmittedMs ??= atMs;
      const server = run.servers.get(event.server);
      if (server) server.admitted = true;
      return;
    }
    case 'serverEnded': {
      const server = run.servers.get(event.server);
      if (!server) return;
      server.endedAtMs = atMs;
      if (event.outcome !== 'halted') server.admitted = false;
      return;
    }
    case 'retryRequested': {
      const server = run.servers.get(event.server);
      if (server) server.endedAtMs = undefined;
      run.ended = undefined;
      return;
    }
    case 'skipRequested': {
      const server = run.servers.get(event.server);
      run.ended = undefined;
      if (!server) return;
      server.holdsPlace = false;
      // One that is at work is brought back first, and its end is written down then.
      if (server.admitted && server.outcome === undefined) return;
      server.endedAtMs = atMs;
      server.admitted = false;
      return;
    }
    case 'rebalanceStarted':
      run.rebalance = { uids: [], open: undefined, hasEnded: false };
      return;
    case 'rebalanceMoveStarted':
      run.rebalance?.uids.push(event.move.pod.uid);
      if (run.rebalance) run.rebalance.open = event.move.pod.uid;
      run.firstMoveMs = Math.min(run.firstMoveMs, atMs);
      return;
    case 'rebalanceMoveChanged':
      if (run.rebalance && event.change.kind === 'moveFinished') run.rebalance.open = undefined;
      return;
    case 'rebalanceEnded':
      if (run.rebalance) run.rebalance.hasEnded = true;
      return;
    case 'runEnded':
      run.ended = { outcome: event.outcome, reason: event.reason };
      return;
    default:
      // Waves, holds and other wishes of people: no invariant asks for them.
      return;
  }
}

function noteServerEvent(server: ServerRecord, event: ServerEvent): void {
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (event.kind) {
    case 'stepStarted':
      if (!harmless.has(event.step)) server.isTouched = true;
      return;
    case 'stepFinished':
      if (event.step === 'verify') server.isVerified = true;
      return;
    case 'retried':
      // After a halt it goes on where it was, so what was changed is still changed.
      if (server.outcome !== 'halted') Object.assign(server, { isTouched: false, isVerified: false });
      server.outcome = undefined;
      return;
    case 'rungStarted':
      server.rungs += 1;
      return;
    case 'powerAsked':
      if (event.request === 'on') server.asksForOn += 1;
      return;
    case 'actionStarted':
      server.commandIds.add(event.commandId);
      return;
    case 'ended':
      server.outcome = event.outcome;
      server.holdsPlace = event.outcome === 'halted';
      return;
    default:
      return;
  }
}
