/**
 * HTTP for the client, over a Unix socket or TCP: one request, one answer, bounded in time and size.
 *
 * It never sends the token in plain text to another machine, and classifies what the network says into
 * `api/unreachable`.
 */
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { isLoopback } from './wire.ts';

export type ServerAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: URL };

export interface Request {
  readonly method: 'GET' | 'POST';
  /** Path below the address, `/v1/…`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

const answerBytesMax = 256 * 1024 * 1024;

/** `http://…` and `https://…` are URLs, everything else is the path of a socket. */
export function parseAddress(text: string): ServerAddress {
  if (!/^https?:\/\//i.test(text)) return { kind: 'socket', path: text.replace(/^unix:(?:\/\/)?/, '') };
  const url = URL.parse(text);
  if (!url) throw new MaintenanceError('api/bad-request', 'halt', `not an address: ${text}`);
  if (url.username !== '' || url.password !== '') {
    throw new MaintenanceError('api/bad-request', 'halt', 'an address carries no user and no password');
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new MaintenanceError(
      'api/bad-request',
      'halt',
      `the token is not sent in plain text to ${url.hostname}: use https, or a tunnel (ssh -L) to the daemon’s socket`,
    );
  }
  return { kind: 'url', url };
}

function nameOfAddress(address: ServerAddress): string {
  return address.kind === 'socket' ? address.path : address.url.origin;
}

/** Sends the request and returns the answer as soon as its head is there. */
export function open(address: ServerAddress, request: Request): Promise<IncomingMessage> {
  const options: RequestOptions = {
    method: request.method,
    headers: {
      ...request.headers,
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(request.body ?? ''),
    },
    signal: request.signal,
    // One connection per request: a command line makes few, and must not be kept alive by an idle one.
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const sent =
      address.kind === 'socket'
        ? requestHttp({ ...options, socketPath: address.path, path: request.path })
        : (address.url.protocol === 'https:' ? requestHttps : requestHttp)(urlOf(address.url, request.path), options);
    sent.once('response', resolve);
    sent.once('error', (cause: unknown) => reject(networkError(address, request.signal, cause)));
    sent.end(request.body);
  });
}

/** The URL may have a path of its own, of a proxy in front of the daemon. */
function urlOf(base: URL, path: string): URL {
  const url = new URL(base);
  url.pathname = base.pathname.replace(/\/$/, '') + path;
  return url;
}

export async function readText(address: ServerAddress, answer: IncomingMessage, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > answerBytesMax) throw badAnswer(address, 'its answer is too long');
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof MaintenanceError ? error : networkError(address, signal, error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function badAnswer(address: ServerAddress, what: string): MaintenanceError {
  return new MaintenanceError('api/bad-answer', 'halt', `${nameOfAddress(address)} answers, but ${what}`);
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'no permission for its socket',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'no way to that host',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'there is no such host',
};

export function networkError(address: ServerAddress, signal: AbortSignal, cause: unknown): Error {
  // The person's own interrupt is no failure of the network; a timeout is.
  if (signal.aborted && !isTimeout(signal.reason)) return signal.reason as Error;
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const why = isTimeout(signal.reason) ? 'no answer in time' : (reasons[code] ?? (code || 'the connection failed'));
  return new MaintenanceError(
    'api/unreachable',
    'retry',
    `cannot reach the daemon at ${nameOfAddress(address)}: ${why}`,
    { cause },
  );
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}
