/**
 * All objects of one resource, kept up to date by a watch: list, then watch from there; a dropped watch goes on from
 * the last version seen; a version that is too old is listed anew.
 *
 * An object is parsed once, when it arrives, and only its view is kept. It never decides whether its age is good
 * enough; it tells when it last heard from the API.
 */
import { isRecord, listAt, numberAt, recordAt, textAt } from '../../cluster/json.ts';
import { InvariantError, MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { errorOf, isStatus, unreachableError } from './api-answers.ts';
import { SortedViews } from '../../cluster/sorted-views.ts';
import type { ApiRequest, ApiTransport, WatchEvent } from './transport.ts';

export interface WatchTimes {
  /** After this long the server ends a watch, so that connections spread over API servers again. */
  readonly watchMs: number;
  /** A watch that brought nothing for this long is opened anew. API servers send a bookmark about once a minute. */
  readonly silenceMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

export interface WatchTools {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly times: WatchTimes;
  readonly onChange: () => void;
}

const pageItemsMax = 500;
/** A watch that lived this long was a good one, even if nothing happened. */
const goodWatchMs = 5000;
/** So many failures in a row, and the version that we go on from is itself under suspicion (an etcd put back from a backup). */
const failuresBeforeRelist = 4;

export class WatchedList<View> {
  readonly #resource: string;
  readonly #path: string;
  readonly #parse: (object: unknown) => View;
  readonly #tools: WatchTools;
  #views = new SortedViews<View>();
  /** Where to go on from; empty: list first. */
  #version = '';
  #failures = 0;
  #synced = false;
  #contactAtMs = Number.NEGATIVE_INFINITY;
  #lastError: MaintenanceError | undefined;

  constructor(resource: string, path: string, parse: (object: unknown) => View, tools: WatchTools) {
    this.#resource = resource;
    this.#path = path;
    this.#parse = parse;
    this.#tools = tools;
  }

  /** In the order of namespace and name, and the same array until something changes. */
  get views(): readonly View[] {
    return this.#views.all;
  }

  get isSynced(): boolean {
    return this.#synced;
  }

  get contactAtMs(): number {
    return this.#contactAtMs;
  }

  /** Why there is no contact; `undefined` while there is. */
  get lastError(): MaintenanceError | undefined {
    return this.#lastError;
  }

  find(key: string): View | undefined {
    return this.#views.get(key);
  }

  /** Runs until the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#tools;
    while (!signal.aborted) {
      try {
        if (this.#version === '') await this.#list(signal);
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#noteFailure(error);
        logger.warn(
          { resource: this.#resource, failures: this.#failures, error: this.#lastError?.message },
          'watch failed',
        );
      }
      if (this.#failures === 0) continue;
      try {
        await clock.sleep(this.#backoffMs(), signal);
      } catch {
        return;
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    let entries: [string, View][] = [];
    let limit: number | undefined = pageItemsMax;
    let continued = '';
    let version = '';
    do {
      try {
        const page = await this.#page({ limit, continue: continued || undefined }, signal);
        for (const item of page.items) entries.push([keyOf(item), this.#parse(item)]);
        ({ version, continued } = page);
      } catch (error) {
        if (!(isStatus(error, 410) && continued)) throw error;
        // The pages took too long and their version is gone: all in one piece, as client-go does it.
        entries = [];
        continued = '';
        limit = undefined;
        version = '';
      }
    } while (continued || !version);
    this.#views = SortedViews.from(entries);
    this.#version = version;
    this.#synced = true;
    this.#noteContact();
    this.#noteChange();
  }

  async #page(
    query: Record<string, string | number | undefined>,
    signal: AbortSignal,
  ): Promise<{ items: readonly unknown[]; version: string; continued: string }> {
    const request = this.#request('list', query);
    const page = await this.#tools.transport.json<unknown>(request, signal);
    const metadata = recordAt(page, 'metadata');
    const version = textAt(metadata, 'resourceVersion');
    // An empty cluster must never be what a proxy's login page looks like.
    if (!version || !isRecord(page) || !(Array.isArray(page['items']) || page['items'] === null)) {
      throw unreachableError(request, new Error('the answer is no list'));
    }
    return { items: listAt(page, 'items'), version, continued: textAt(metadata, 'continue') };
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { transport, clock, times } = this.#tools;
    const request = this.#request('watch', {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: this.#version,
      timeoutSeconds: Math.ceil(times.watchMs / 1000),
    });
    const openedAtMs = clock.nowMs();
    let received = 0;
    const isGood = (): boolean => clock.nowMs() - openedAtMs >= goodWatchMs;
    try {
      const events = await transport.watch(request, times.silenceMs, signal);
      this.#noteContact();
      for await (const event of events) {
        this.#apply(event, request);
        received += 1;
        this.#noteContact();
      }
    } finally {
      if (received > 0 || isGood()) this.#failures = 0;
    }
    // Ended by the server soon after it began: a proxy that takes watches for requests. Not in a tight loop.
    if (!isGood()) this.#failures += 1;
  }

  #apply(event: WatchEvent, request: ApiRequest): void {
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED':
        this.#views.set(keyOf(event.object), this.#parse(event.object));
        break;
      case 'DELETED':
        this.#views.delete(keyOf(event.object));
        break;
      case 'BOOKMARK':
        break;
      case 'ERROR':
        throw errorOf(request, { status: numberAt(event.object, 'code', 500), body: event.object });
      default:
        throw new InvariantError(`watch of ${this.#resource}: unknown event type`);
    }
    this.#version = textAt(recordAt(event.object, 'metadata'), 'resourceVersion') || this.#version;
    if (event.type !== 'BOOKMARK') this.#noteChange();
  }

  #request(verb: 'list' | 'watch', query: Record<string, string | number | boolean | undefined>): ApiRequest {
    return { verb, resource: this.#resource, path: this.#path, query };
  }

  #noteContact(): void {
    this.#contactAtMs = this.#tools.clock.nowMs();
    this.#lastError = undefined;
  }

  #noteChange(): void {
    this.#tools.onChange();
  }

  #noteFailure(error: unknown): void {
    this.#failures += 1;
    this.#lastError =
      error instanceof MaintenanceError ? error : unreachableError({ verb: 'watch', resource: this.#resource }, error);
    const wasAnswered = this.#lastError.details['status'] !== undefined;
    // Without any answer the version is as good as before, and a list of every pod is what a server that just came up needs least.
    if (isStatus(error, 410) || (wasAnswered && this.#failures >= failuresBeforeRelist)) this.#version = '';
  }

  /** Doubles, with jitter, so that a thousand watchers do not come back in one moment. */
  #backoffMs(): number {
    const { times, random } = this.#tools;
    const doubled = Math.min(times.backoffMaxMs, times.backoffMinMs * 2 ** Math.min(this.#failures - 1, 20));
    const asked = Math.min(this.#lastError?.retryAfterMs ?? 0, times.backoffMaxMs);
    return Math.max(doubled * (0.5 + random.next() / 2), asked);
  }
}

function keyOf(object: unknown): string {
  const metadata = recordAt(object, 'metadata');
  return `${textAt(metadata, 'namespace')}/${textAt(metadata, 'name')}`;
}
