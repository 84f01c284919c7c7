/** Memory that a restored pod fetches page by page: who on the two servers could fetch it as well. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { LabServer } from '../../src/lab/nodes/server.ts';
import { containers } from '../../src/lab/nodes/workloads.ts';
import { withMovingLab, type MovingLab } from './moving.ts';

const minuteMs = 60_000;
let lab: MovingLab;

withMovingLab((started) => {
  lab = started;
});

/** `address:port` of what listens there, of the ports that carry pages, as the kernel writes it. */
async function listening(server: LabServer): Promise<string[]> {
  const table = await readFile(`/proc/${server.first.pid}/net/tcp`, 'utf8');
  return [...table.matchAll(/^ *\d+: ([0-9A-F]{8}):([0-9A-F]{4}) \S+ 0A /gm)]
    .map(([, address = '', port = '']) => ({ address, port: Number.parseInt(port, 16) }))
    .filter(({ port }) => port >= 20_000 && port < 32_000)
    .map(({ address, port }) => `${address}:${port}`);
}

async function canConnect(server: LabServer, address: string, port: number | string): Promise<boolean> {
  const connect = ['timeout', '1', 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`];
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  return (await server.run([...nobody, ...connect], { mayFail: true })).exitCode === 0;
}

it('pages of memory are served on the loopback interface, and to root alone', { timeout: 5 * minuteMs }, async () => {
  const { test } = lab;
  test.statefulSet('redis', { containers: [containers.redis] });
  const pod = await test.ready('redis-0');
  const client = await test.client({ kind: 'redis', megabytes: 300 }, pod);
  const seen = { source: new Set<string>(), target: new Set<string>() };
  let couldConnect: Promise<boolean> | undefined;
  const over = new AbortController();
  let watching: Promise<void> = Promise.resolve();
  const { end } = await lab.move('redis-0', {
    onBegin: (order) => {
      const [source, target] = [test.server(order().source), test.server(order().target)];
      watching = (async () => {
        while (!over.signal.aborted) {
          for (const at of await listening(source)) seen.source.add(at);
          for (const at of await listening(target)) seen.target.add(at);
          const port = [...seen.target][0]?.split(':')[1];
          // Beside the looking: the source listens for a moment only.
          if (port !== undefined) couldConnect ??= canConnect(target, '127.0.0.1', port);
          await sleep(2);
        }
      })();
    },
  });
  over.abort();
  await watching;
  expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'everything' } });
  expect((await client.stop()).faults).toEqual([]);
  const loopback = expect.stringMatching(/^0100007F:/) as string;
  expect([...seen.source]).toEqual([loopback]);
  expect([...seen.target]).toEqual([loopback]);
  expect(await couldConnect).toBe(false);
  // Whether this way of asking can find anything at all.
  const server = test.server('node-a');
  expect(await canConnect(server, server.address, 22)).toBe(true);
  expect(await lab.leftovers()).toEqual([]);
});
