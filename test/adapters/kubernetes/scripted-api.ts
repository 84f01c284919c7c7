/** An HTTP server that answers as a test says, and a kubeconfig that leads to it. It knows nothing of Kubernetes. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectKubernetes, type KubernetesTimes } from '../../../src/adapters/kubernetes/connect.ts';
import type { KubernetesCluster } from '../../../src/adapters/kubernetes/kubernetes-cluster.ts';
import { SystemClock } from '../../../src/adapters/system/system-clock.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Logger } from '../../../src/ports/logger.ts';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

type Answer = (seen: Seen, response: ServerResponse) => Reply | 'handled';

export const token = 'very-secret-token-0123456789';

export interface ScriptedApi {
  readonly seen: Seen[];
  /** Every line that was logged, as JSON. */
  readonly log: string[];
  readonly cluster: KubernetesCluster;
  stop(): Promise<void>;
}

/** Short, so that tests take no time; nothing is asserted about how short. */
const times: Partial<KubernetesTimes> = {
  requestMs: 2000,
  syncMs: 2000,
  silenceMs: 1500,
  backoffMinMs: 5,
  backoffMaxMs: 50,
  coalesceMs: 1,
};

/** Lists of nodes, pods and budgets that are empty, and watches that stay quiet, unless `answer` says otherwise. */
export async function scriptedApi(
  answer: (seen: Seen, response: ServerResponse) => Reply | 'handled' | undefined,
  options: { times?: Partial<KubernetesTimes>; clock?: Clock; server?: string } = {},
): Promise<ScriptedApi> {
  const seen: Seen[] = [];
  const log: string[] = [];
  const server = createServer((request, response) => {
    void respond(request, response, seen, (one, response) => answer(one, response) ?? quiet(one, response));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-kubeconfig-'));
  const path = join(folder, 'config');
  await writeFile(path, kubeconfig(options.server ?? `http://127.0.0.1:${port}`), { mode: 0o600 });
  const cluster = await connectKubernetes({
    kubeconfig: path,
    clock: options.clock ?? new SystemClock(),
    random: new SeededRandom(1),
    logger: recordingLogger(log),
    times: { ...times, ...options.times },
  });
  return {
    seen,
    log,
    cluster,
    async stop() {
      await cluster.stop();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function respond(request: IncomingMessage, response: ServerResponse, seen: Seen[], answer: Answer) {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const one: Seen = {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: text ? (JSON.parse(text) as unknown) : undefined,
  };
  seen.push(one);
  const reply = answer(one, response);
  if (reply === 'handled') return;
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {}));
}

function quiet(seen: Seen, response: ServerResponse): Reply | 'handled' {
  if (seen.query.get('watch')) {
    response.writeHead(200).flushHeaders();
    return 'handled';
  }
  const isList = /\/(nodes|pods|poddisruptionbudgets|persistentvolumeclaims|persistentvolumes|namespaces)$/.test(
    seen.path,
  );
  if (seen.method === 'GET' && isList) return { status: 200, body: { metadata: { resourceVersion: '1' }, items: [] } };
  return refusal(404, `no answer scripted for ${seen.method} ${seen.path}`, 'NotFound');
}

export function refusal(code: number, message: string, reason?: string, details?: unknown): Reply {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code },
  };
}

function kubeconfig(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'scripted', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'me', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'scripted', user: 'me' } }],
    'current-context': 'test',
  });
}

export function recordingLogger(lines: string[]): Logger {
  const write = (fields: Readonly<Record<string, unknown>>, text: string): void => {
    lines.push(JSON.stringify({ ...fields, text }));
  };
  return { debug: write, info: write, warn: write, error: write };
}

export const never = new AbortController().signal;

/** Waits until something is true; the bound is only there so that a broken test ends. */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const clock = new SystemClock();
  for (let turn = 0; turn < 1000; turn += 1) {
    if (await isTrue()) return;
    await clock.sleep(10);
  }
  throw new Error(`never happened: ${what}`);
}
