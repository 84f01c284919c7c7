/**
 * HTTP to the Kubernetes API: one request with its bound, or one watch with its guard against silence.
 *
 * The credentials come from the kubeconfig, as `@kubernetes/client-node` reads it; the requests are made here, because
 * that library makes a new connection pool for every request, hides the body of a refused watch, and turns 150,000 pods
 * into model objects that nobody keeps. It never retries, and never puts a header into a message.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions as HttpsRequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { errorOf, unreachableError, type ApiAnswer, type Asked } from './api-answers.ts';

type PatchType = 'merge-patch' | 'strategic-merge-patch' | 'json-patch';

export interface ApiRequest extends Asked {
  /** Path below the server's address, every variable part encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Only for `patch`. */
  readonly patchType?: PatchType;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

const methods = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
} as const;

const connectionsMax = 64;
const keepAliveMs = 30_000;

export class ApiTransport {
  readonly #config: KubeConfig;
  readonly #server: string;
  readonly #requestTimeoutMs: number;
  // Pools by certificate, so rotated credentials get fresh connections by themselves.
  readonly #httpsAgent = new HttpsAgent({ keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: connectionsMax });
  readonly #httpAgent = new HttpAgent({ keepAlive: true, keepAliveMsecs: keepAliveMs, maxSockets: connectionsMax });

  constructor(config: KubeConfig, server: string, options: { requestTimeoutMs: number }) {
    this.#config = config;
    this.#server = server.replace(/\/+$/, '');
    this.#requestTimeoutMs = options.requestTimeoutMs;
  }

  /** The answer, whatever its status. Rejects only where there is none. */
  async ask(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    signal.throwIfAborted();
    const timeout = AbortSignal.timeout(this.#requestTimeoutMs);
    try {
      const response = await this.#send(request, AbortSignal.any([signal, timeout]));
      return await answerOf(response);
    } catch (error) {
      throw this.#explained(request, error, signal, timeout);
    }
  }

  /** The answer's body. @throws MaintenanceError where the status says that it was refused */
  async json<T>(request: ApiRequest, signal: AbortSignal): Promise<T> {
    const answer = await this.ask(request, signal);
    if (answer.status < 200 || answer.status > 299) throw errorOf(request, answer);
    return answer.body as T;
  }

  /** Like `json`, with `undefined` for 404. */
  async find<T>(request: ApiRequest, signal: AbortSignal): Promise<T | undefined> {
    const answer = await this.ask(request, signal);
    if (answer.status === 404) return undefined;
    if (answer.status < 200 || answer.status > 299) throw errorOf(request, answer);
    return answer.body as T;
  }

  /**
   * Opens a watch. The events end when the server ends them; they throw when the connection drops, or when nothing
   * came for `silenceMs`: a peer that vanished without a word looks just like a quiet cluster.
   */
  async watch(request: ApiRequest, silenceMs: number, signal: AbortSignal): Promise<AsyncGenerator<WatchEvent>> {
    signal.throwIfAborted();
    const opening = AbortSignal.timeout(this.#requestTimeoutMs);
    const cut = new AbortController();
    const onTimeout = (): void => cut.abort();
    opening.addEventListener('abort', onTimeout, { once: true });
    try {
      const response = await this.#send(request, AbortSignal.any([signal, cut.signal]));
      if (response.statusCode !== 200) throw errorOf(request, await answerOf(response));
      return this.#events(request, response, silenceMs, signal);
    } catch (error) {
      throw this.#explained(request, error, signal, opening);
    } finally {
      opening.removeEventListener('abort', onTimeout);
    }
  }

  close(): void {
    this.#httpsAgent.destroy();
    this.#httpAgent.destroy();
  }

  async *#events(
    request: ApiRequest,
    response: IncomingMessage,
    silenceMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const guard = setTimeout(() => response.destroy(new Error(`silent for ${silenceMs} ms`)), silenceMs);
    try {
      for await (const line of linesOf(response, () => guard.refresh())) yield JSON.parse(line) as WatchEvent;
    } catch (error) {
      throw this.#explained(request, error, signal, undefined);
    } finally {
      clearTimeout(guard);
      response.destroy();
    }
  }

  /** An abort of the caller stays the caller's; everything else becomes one of our errors. */
  #explained(request: ApiRequest, error: unknown, signal: AbortSignal, timeout: AbortSignal | undefined): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof MaintenanceError) return error;
    if (timeout?.aborted) return unreachableError(request, new Error(`none within ${this.#requestTimeoutMs} ms`));
    return unreachableError(request, error);
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const credentials = await this.#credentials(request);
    // Reading credentials may have taken a while (an exec plugin).
    signal.throwIfAborted();
    const url = new URL(this.#server + request.path);
    for (const [key, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options: RequestOptions = {
      ...credentials,
      method: methods[request.verb],
      headers: { ...headersOf(request, body), ...trimmed(credentials.headers) },
      signal,
    };
    return await new Promise((resolve, reject) => {
      const outgoing = url.protocol === 'http:' ? httpRequest(url, options) : httpsRequest(url, options);
      outgoing.once('response', resolve).once('error', reject);
      outgoing.end(body);
    });
  }

  /** Read anew for every request: tokens in files and from plugins change while we run. The library caches them. */
  async #credentials(request: ApiRequest): Promise<HttpsRequestOptions> {
    const options: HttpsRequestOptions = {};
    try {
      await this.#config.applyToHTTPSOptions(options);
    } catch (error) {
      // A plugin's own words may hold what it failed to hand over, so only the kind of failure is told.
      const { name = 'Error', code = '' } = error instanceof Error ? (error as Error & { code?: string }) : {};
      throw new MaintenanceError(
        'cluster/unauthorized',
        'halt',
        `Kubernetes: the credentials of the kubeconfig could not be read (${code || name})`,
        { details: { verb: request.verb, resource: request.resource } },
      );
    }
    // The library's own agent is kept for proxies alone: its plain one opens a connection per request.
    if (!this.#config.getCurrentCluster()?.proxyUrl) {
      options.agent = this.#server.startsWith('http:') ? this.#httpAgent : this.#httpsAgent;
    }
    return options;
  }
}

function headersOf(request: ApiRequest, body: string | undefined): Record<string, string | number> {
  const type = request.verb === 'patch' ? `application/${request.patchType ?? 'merge-patch'}+json` : 'application/json';
  return {
    accept: 'application/json',
    'user-agent': 'pitcrew',
    ...(body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) }),
  };
}

/** Token files end in a newline, which no header may hold. */
function trimmed(headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]));
}

async function answerOf(response: IncomingMessage): Promise<ApiAnswer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: response.statusCode ?? 0, retryAfterHeader: response.headers['retry-after'], body: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Whole lines only: what a dropped connection left unfinished is watched again from the last version. */
async function* linesOf(response: IncomingMessage, onData: () => void): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const data of response) {
    onData();
    let chunk = data as Buffer;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10)) {
      const line = Buffer.concat([...rest, chunk.subarray(0, end)]).toString('utf8');
      rest = [];
      chunk = chunk.subarray(end + 1);
      if (line.trim()) yield line;
    }
    if (chunk.length > 0) rest.push(chunk);
  }
}
