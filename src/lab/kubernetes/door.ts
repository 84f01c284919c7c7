/**
 * The HTTP side of the lab's Kubernetes API: bodies in, JSON out, watches as lines of a chunked answer. What a request
 * means is the simulated API's business; who asks is looked up here, by the token.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { ApiAnswer, KubernetesApi } from '../../simulator/kubernetes/api.ts';
import type { WatchAnswer, WatchEvent } from '../../simulator/kubernetes/watch.ts';
import type { LabFaults, WireFault } from './faults.ts';

export interface DoorOptions {
  readonly api: KubernetesApi;
  readonly faults: LabFaults;
  readonly userByToken: ReadonlyMap<string, string>;
  /** How often a watch that asked for bookmarks gets one. */
  readonly bookmarkMs: number;
}

const bodyBytesMax = 3 * 1024 * 1024;
/** A watcher that reads nothing must not fill our memory; a real server drops it, too. */
const unsentBytesMax = 16 * 1024 * 1024;

export class Door {
  readonly #options: DoorOptions;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const fault = this.#options.faults.strike(method, url);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'cut') {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === 'delay') await wait(fault.delayMs, undefined, { ref: false });
    const text = await readBody(request);
    if (fault?.kind === 'status') {
      sendFault(response, fault);
      return;
    }
    const parsed = parseBody(text);
    if (parsed === undefined) {
      sendText(response, 400, 'the body is no JSON');
      return;
    }
    const { pathname, searchParams } = new URL(url, 'https://127.0.0.1');
    if (pathname === '/healthz' || pathname === '/livez' || pathname === '/readyz') {
      sendText(response, 200, 'ok');
      return;
    }
    const answer = this.#options.api.handle({
      method,
      path: pathname,
      query: searchParams,
      contentType: request.headers['content-type'] ?? '',
      body: parsed.value,
      user: this.#userOf(request),
    });
    if (fault?.kind === 'answerLost') request.socket.destroy();
    else if (answer.kind === 'watch') this.#stream(answer, response);
    else sendAnswer(response, answer);
  }

  #userOf(request: IncomingMessage): string | undefined {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
    return token === undefined ? undefined : this.#options.userByToken.get(token);
  }

  #stream(watch: WatchAnswer, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    // Headers go out at once: a watch on a quiet cluster has to be seen to be open.
    response.flushHeaders();
    const send = (event: WatchEvent): void => {
      response.write(`${JSON.stringify(event)}\n`);
      if (response.writableLength > unsentBytesMax) response.destroy();
    };
    for (const event of watch.initial) send(event);
    if (watch.isOver) {
      response.end();
      return;
    }
    const unsubscribe = watch.subscribe(send);
    const forget = this.#options.faults.noteWatch(() => response.destroy());
    const bookmarks = watch.wantsBookmarks
      ? setInterval(() => send(watch.bookmark()), this.#options.bookmarkMs)
      : undefined;
    const stop = (): void => {
      unsubscribe();
      forget();
      clearInterval(bookmarks);
      clearTimeout(timeout);
    };
    const end = (): void => {
      if (watch.wantsBookmarks) send(watch.bookmark());
      // Not only when it is closed: a bookmark that is due at the same moment would come after the end.
      stop();
      response.end();
    };
    const timeout = watch.timeoutMs === undefined ? undefined : setTimeout(end, watch.timeoutMs);
    response.once('close', stop);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > bodyBytesMax) throw new Error('the body is larger than the API takes');
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string): { readonly value: unknown } | undefined {
  if (text === '') return { value: undefined };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function sendAnswer(response: ServerResponse, answer: ApiAnswer): void {
  const body = JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...answer.headers,
  });
  response.end(body);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(text);
}

const faultTexts: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  409: ['Conflict', 'the object has been modified; please apply your changes to the latest version and try again'],
  500: ['InternalError', 'Internal error occurred: etcdserver: request timed out'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
};

function sendFault(response: ServerResponse, fault: WireFault & { kind: 'status' }): void {
  const { status, retryAfterSeconds } = fault;
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
  const [reason, message] = faultTexts[status] ?? [];
  if (reason === undefined) {
    // API priority and fairness speaks plain text.
    sendText(response, status, 'Too many requests, please try again later.');
    return;
  }
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code: status };
  sendAnswer(response, { kind: 'answer', status, headers: {}, body });
}
