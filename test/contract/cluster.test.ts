import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectKubernetes } from '../../src/adapters/kubernetes/connect.ts';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import { pitcrewUser } from '../../src/simulator/kubernetes/access.ts';
import { KubernetesApi } from '../../src/simulator/kubernetes/api.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { clusterContract } from './cluster.contract.ts';
import { clusterObjectsContract, watchContract } from './cluster-objects.contract.ts';
import type { ClusterWorld } from './cluster-bench.ts';

const quiet = (): void => undefined;

async function overTheWire(): Promise<ClusterWorld> {
  const clock = new SystemClock();
  const api = new KubernetesApi(clock, new SeededRandom(7));
  const watches = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const url = new URL(request.url ?? '/', 'http://x');
      const answer = api.handle({
        method: request.method ?? 'GET',
        path: url.pathname,
        query: url.searchParams,
        contentType: request.headers['content-type'] ?? '',
        body: text ? JSON.parse(text) : undefined,
        user: pitcrewUser,
      });
      if (answer.kind === 'answer') {
        response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
        response.end(JSON.stringify(answer.body));
        return;
      }
      response.writeHead(200).flushHeaders();
      for (const event of answer.initial) response.write(`${JSON.stringify(event)}\n`);
      if (answer.isOver) {
        response.end();
        return;
      }
      watches.add(response);
      const leave = answer.subscribe((event) => response.write(`${JSON.stringify(event)}\n`));
      response.on('close', () => {
        watches.delete(response);
        leave();
      });
    })();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-contract-'));
  const kubeconfig = join(folder, 'config');
  const { port } = server.address() as AddressInfo;
  await writeFile(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: { token: 't' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  );
  const cluster = await connectKubernetes({
    kubeconfig,
    clock,
    random: new SeededRandom(1),
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    times: { backoffMinMs: 5, backoffMaxMs: 100, coalesceMs: 5 },
  });
  return {
    cluster,
    api,
    drive: (promise) => promise,
    sleep: (durationMs) => clock.sleep(durationMs),
    cutWatches: () => watches.forEach((response) => response.destroy()),
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

clusterContract('the Kubernetes adapter against the lab', overTheWire);
clusterObjectsContract('the Kubernetes adapter against the lab', overTheWire);
watchContract('the Kubernetes adapter against the lab', overTheWire);
