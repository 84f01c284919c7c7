/**
 * The API as a typed client: what `Operations` offers, from another process. Used by the command line.
 *
 * Errors come back as the `MaintenanceError` that the daemon threw. It never retries: whether to ask again is for the
 * caller to say.
 */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type {
  Finding,
  Operations,
  PlanPreview,
  PlanWindows,
  PowerRequest,
  ServerStanding,
  ServerSummary,
  Started,
} from '../engine/operations.ts';
import type { Snapshot } from '../engine/snapshot.ts';
import type { OutputLine } from '../ports/journal.ts';
import type { PowerState } from '../ports/bmc.ts';
import type { RunView } from '../workflow/run-view.ts';
import { fromErrorBody, parseJson } from './errors.ts';
import { badAnswer, networkError, open, readText, type ServerAddress } from './transport.ts';
import { byHeader, versionHeader } from './wire.ts';

export type HistoryEntry = Awaited<ReturnType<Operations['history']>>[number];
/** What the daemon answers to a request that it has recorded. */
export interface Requested {
  readonly runId: string;
  readonly server?: string;
  readonly requested: string;
}

export interface ClientOptions {
  readonly address: ServerAddress;
  readonly token: string;
  /** Who asks, e.g. `anna@ops1`; written into the journal. */
  readonly by: string;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

const Changed = z.object({ runId: z.string() });
/** The daemon asks servers, BMCs or the cluster before it answers these. */
const slowTimeoutMs = 120_000;
/** Three heartbeats of the server. */
const silenceMs = 45_000;

export class ApiClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  runs(): Promise<RunView[]> {
    return this.#ask('GET', '/v1/runs');
  }
  run(runId: string): Promise<RunView> {
    return this.#ask('GET', pathOf('runs', runId));
  }
  history(runId: string, server?: string): Promise<HistoryEntry[]> {
    return this.#ask(
      'GET',
      server === undefined ? pathOf('runs', runId, 'history') : pathOf('runs', runId, 'servers', server, 'history'),
    );
  }
  output(runId: string, server: string): Promise<OutputLine[]> {
    return this.#ask('GET', pathOf('runs', runId, 'servers', server, 'output'));
  }
  preview(plan: string): Promise<PlanPreview> {
    return this.#ask('GET', pathOf('plans', plan, 'preview'), { timeoutMs: slowTimeoutMs });
  }
  start(plan: string): Promise<Started> {
    return this.#ask('POST', '/v1/runs', { body: { plan }, timeoutMs: slowTimeoutMs });
  }
  request(runId: string, verb: 'pause' | 'resume' | 'stop' | 'approve'): Promise<Requested> {
    return this.#ask('POST', pathOf('runs', runId, verb));
  }
  requestServer(runId: string, server: string, verb: 'retry' | 'skip'): Promise<Requested> {
    return this.#ask('POST', pathOf('runs', runId, 'servers', server, verb));
  }
  servers(): Promise<ServerSummary[]> {
    return this.#ask('GET', '/v1/servers', { timeoutMs: slowTimeoutMs });
  }
  server(name: string): Promise<ServerStanding> {
    return this.#ask('GET', pathOf('servers', name));
  }
  power(server: string, request: PowerRequest): Promise<{ server: string; power: PowerState }> {
    return this.#ask('POST', pathOf('servers', server, 'power'), { body: request, timeoutMs: slowTimeoutMs });
  }
  evacuate(server: string): Promise<{ runId: string }> {
    return this.#ask('POST', pathOf('servers', server, 'evacuate'), { timeoutMs: slowTimeoutMs });
  }
  returnServer(server: string): Promise<{ runId: string }> {
    return this.#ask('POST', pathOf('servers', server, 'return'), { timeoutMs: slowTimeoutMs });
  }
  windows(plan?: string): Promise<PlanWindows[]> {
    return this.#ask('GET', plan === undefined ? '/v1/windows' : pathOf('plans', plan, 'windows'));
  }
  snapshot(): Promise<Snapshot> {
    return this.#ask('GET', '/v1/snapshot', { timeoutMs: slowTimeoutMs });
  }
  doctor(): Promise<Finding[]> {
    return this.#ask('GET', '/v1/doctor', { timeoutMs: slowTimeoutMs });
  }

  /**
   * Calls `connected` once nothing is missed any more, then `changed` for each hint, until the signal or the daemon
   * ends the stream. Throws `api/unreachable` when the connection fails or falls silent.
   */
  async watch(signal: AbortSignal, connected: () => void, changed: (runId: string) => void): Promise<void> {
    const silence = new AbortController();
    const until = AbortSignal.any([signal, this.#options.signal, silence.signal]);
    const timer = setTimeout(() => silence.abort(new DOMException('silence', 'TimeoutError')), silenceMs);
    try {
      const answer = await this.#open('GET', '/v1/events', undefined, until);
      answer.setEncoding('utf8');
      let rest = '';
      for await (const chunk of answer as AsyncIterable<string>) {
        timer.refresh();
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) readEventLine(line, connected, changed);
      }
    } catch (error) {
      if (signal.aborted) return;
      throw networkErrorUnlessOurs(this.#options.address, until, error);
    } finally {
      clearTimeout(timer);
      // Also ends the connection when the caller's own function threw.
      silence.abort();
    }
  }

  async #ask<Answer>(
    method: 'GET' | 'POST',
    path: string,
    more: { body?: unknown; timeoutMs?: number } = {},
  ): Promise<Answer> {
    const timeoutMs = more.timeoutMs ?? this.#options.timeoutMs ?? 30_000;
    const signal = AbortSignal.any([this.#options.signal, AbortSignal.timeout(timeoutMs)]);
    const answer = await this.#open(method, path, more.body, signal);
    const value = parseJson(await readText(this.#options.address, answer, signal));
    if (value === undefined) throw badAnswer(this.#options.address, 'not with JSON');
    // The types are the daemon's own, of the same version of the API: checked by the header, not field by field.
    return value as Answer;
  }

  /** The answer, once it is known to be a good one and from Pitcrew. */
  async #open(method: 'GET' | 'POST', path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const { address, token, by } = this.#options;
    const answer = await open(address, {
      method,
      path,
      headers: { authorization: `Bearer ${token}`, [byHeader]: by.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 128) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    const status = answer.statusCode ?? 0;
    if (answer.headers[versionHeader] === '1' && status >= 200 && status < 300) return answer;
    const error = fromErrorBody(await readText(address, answer, signal));
    throw error ?? badAnswer(address, `not as Pitcrew does (HTTP ${status})`);
  }
}

function networkErrorUnlessOurs(address: ServerAddress, signal: AbortSignal, error: unknown): Error {
  return error instanceof Error && 'disposition' in error ? error : networkError(address, signal, error);
}

/** Only two lines of the event stream mean anything to us; all others are its grammar. */
function readEventLine(line: string, connected: () => void, changed: (runId: string) => void): void {
  if (line === ': connected') connected();
  if (!line.startsWith('data:')) return;
  const parsed = Changed.safeParse(parseJson(line.slice('data:'.length)));
  if (parsed.success) changed(parsed.data.runId);
}

function pathOf(...parts: string[]): string {
  return `/v1/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}
