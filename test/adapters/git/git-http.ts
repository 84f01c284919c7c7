/** A Git server over HTTP for tests: git's own CGI program behind a small server that wants a user name and a token. */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Certificate } from '../../../src/lab/kubernetes/certificate.ts';

export interface GitHttp {
  readonly url: string;
  /** Authorization headers of the requests so far; empty where there was none. */
  readonly seen: string[];
  /** Called before each request is answered. */
  onRequest: () => Promise<void>;
  /** Answers everything with this instead. */
  instead: ((answer: ServerResponse) => void) | undefined;
}

/** Serves the repositories below `root`. */
export async function serveGit(root: string, user: string, token: string, tls?: Certificate): Promise<GitHttp> {
  const expected = `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;
  const onRequest = (request: IncomingMessage, answer: ServerResponse): void => void handle(request, answer);
  const server = tls
    ? createTlsServer({ key: tls.keyPem, cert: tls.certificatePem }, onRequest)
    : createServer(onRequest);
  const http: { -readonly [Key in keyof GitHttp]: GitHttp[Key] } = {
    url: '',
    seen: [],
    onRequest: async () => undefined,
    instead: undefined,
  };
  const handle = async (request: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const authorization = request.headers.authorization ?? '';
    http.seen.push(authorization);
    await http.onRequest();
    if (http.instead) {
      http.instead(answer);
    } else if (authorization === expected) serve(root, request, answer);
    else answer.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  http.url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return http;
}

function serve(root: string, request: IncomingMessage, answer: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      REMOTE_USER: 'tester',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(child.stdin).on('error', () => undefined);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.once('close', () => {
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    const headers = output.toString('latin1', 0, end).split('\r\n');
    const pairs = headers.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const);
    const status = Number(/^\d+/.exec(pairs.find(([name]) => name === 'Status')?.[1] ?? '200')?.[0]);
    answer.writeHead(status, Object.fromEntries(pairs.filter(([name]) => name !== 'Status')));
    answer.end(output.subarray(end + 4));
  });
}
