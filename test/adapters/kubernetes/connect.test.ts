import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectKubernetes } from '../../../src/adapters/kubernetes/connect.ts';
import { loadKubeconfig } from '../../../src/adapters/kubernetes/kubeconfig.ts';
import { SystemClock } from '../../../src/adapters/system/system-clock.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';
import { recordingLogger } from './scripted-api.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pitcrew-kubeconfig-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function connect(text: string, context?: string): Promise<unknown> {
  const kubeconfig = join(folder, 'config');
  await writeFile(kubeconfig, text);
  const cluster = await connectKubernetes({
    kubeconfig,
    context,
    clock: new SystemClock(),
    random: new SeededRandom(1),
    logger: recordingLogger([]),
  });
  await cluster.stop();
  return cluster;
}

const config = {
  clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:1', 'insecure-skip-tls-verify': true } }],
  users: [{ name: 'u', user: { token: 'a-secret-token' } }],
  contexts: [
    { name: 'fra', context: { cluster: 'c', user: 'u' } },
    { name: 'lab', context: { cluster: 'c', user: 'u' } },
  ],
  'current-context': 'lab',
};

it('a kubeconfig is opened without waiting for the API', async () => {
  await expect(connect(JSON.stringify(config), 'fra')).resolves.toBeDefined();
});

it('a context that is not there is named, with those that are', async () => {
  await expect(connect(JSON.stringify(config), 'prod')).rejects.toMatchObject({
    code: 'cluster/kubeconfig',
    disposition: 'halt',
    message: expect.stringMatching(/prod.*fra, lab/) as string,
  });
});

it('a kubeconfig that is no YAML is told without quoting it', async () => {
  const broken = 'users:\n - token: "a-secret-token\n  : [';
  const error: unknown = await connect(broken).catch((error: unknown) => error);
  expect(error).toMatchObject({ disposition: 'halt' });
  expect(String(error)).not.toContain('a-secret-token');
});

it('a kubeconfig that is missing is named', async () => {
  const clock = new SystemClock();
  const tools = { clock, random: new SeededRandom(1), logger: recordingLogger([]) };
  await expect(connectKubernetes({ kubeconfig: join(folder, 'nothing'), ...tools })).rejects.toMatchObject({
    message: expect.stringContaining('nothing') as string,
  });
});

it('a kubeconfig without a cluster is refused', async () => {
  await expect(connect('{}')).rejects.toMatchObject({ disposition: 'halt' });
});

it('a server without TLS is refused, unless the kubeconfig says that it is meant', async () => {
  const clusters = [{ name: 'c', cluster: { server: 'http://127.0.0.1:1' } }];
  await expect(connect(JSON.stringify({ ...config, clusters }))).rejects.toMatchObject({
    disposition: 'halt',
    message: expect.stringContaining('without TLS') as string,
  });
});

it('a token file, named from where the kubeconfig lies, wins over a token in it', async () => {
  await writeFile(join(folder, 'me.token'), 'token-of-the-file\n');
  await writeFile(
    join(folder, 'config'),
    JSON.stringify({ ...config, users: [{ name: 'u', user: { token: 'old', tokenFile: 'me.token' } }] }),
  );
  const loaded = loadKubeconfig({ kubeconfig: join(folder, 'config') });
  const options: RequestOptions = {};
  await loaded.applyToHTTPSOptions(options);
  expect(String(Object.values(options.headers ?? {}))).toBe('Bearer token-of-the-file\n');
});
