/** What is in a pod's memory and files is seen by nobody on its way: not on the cables, not by other users of the servers, not afterwards. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { LabServer } from '../../src/lab/nodes/server.ts';
import { containers } from '../../src/lab/nodes/workloads.ts';
import type { PodObject } from '../../src/simulator/kubernetes/objects.ts';
import { withMovingLab, type MovingLab } from './moving.ts';
import { Wire } from './wire.ts';

const minuteMs = 60_000;
/** So often in a row that it cannot hide between two packets. */
const secret = randomBytes(32).toString('hex');
let lab: MovingLab;
let servers: readonly LabServer[];

withMovingLab((started) => {
  lab = started;
  servers = [...started.test.lab.servers.values()];
});

/** Writes down what lies in the moves' folder: mode and owner of the folder, kind of each file, what nobody's user gets to see. */
const watch = `
rm -f /run/watch; : >/run/watching
while [ -e /run/watching ]; do
  stat -c 'folder %a %U' /run/pitcrew 2>/dev/null
  find /run/pitcrew -type f 2>/dev/null | sed 's|.*/\\([a-z]*\\)[^/]*$|file \\1|'
  setpriv --reuid nobody --clear-groups find /run/pitcrew -mindepth 1 2>/dev/null | sed 's/^/open /'
  sleep 0.02
done | sort -u >/run/watch`;

async function watched(work: () => Promise<void>): Promise<string[]> {
  const watching = servers.map((server) => server.run(['sh', '-c', watch], { timeoutMs: 5 * minuteMs }));
  await work();
  const seen: string[] = [];
  for (const [index, server] of servers.entries()) {
    await server.run(['rm', '/run/watching']);
    await watching[index];
    const { stdout } = await server.run(['cat', '/run/watch']);
    seen.push(...stdout.split('\n').map((line) => `${server.name}: ${line}`));
  }
  return seen;
}

/** Where it lies in clear now. */
async function filesWith(server: LabServer): Promise<string[]> {
  const folders = ['/run', '/tmp', '/var', '/root', '/etc'];
  const { stdout } = await server.run(['grep', '-rlaFs', '--devices=skip', secret, ...folders], { mayFail: true });
  return stdout.split('\n').filter((file) => file !== '');
}

async function fill(pod: PodObject, megabytes: number): Promise<void> {
  const script = `for i = 1, ${megabytes * 16} do redis.call('SET', 'secret:' .. i, string.rep(ARGV[1], 1024)) end`;
  await lab.test.inPod(pod, 'redis-cli', 'EVAL', script, '0', secret);
}

it(
  'a moved pod is seen by root alone, in clear on no cable, and leaves nothing behind',
  { timeout: 10 * minuteMs },
  async () => {
    const { test } = lab;
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
    const volumes = [{ name: 'shared', emptyDir: {} }];
    test.statefulSet('redis', { containers: [{ ...containers.redis, volumeMounts }], volumes });
    await test.inPod(await test.ready('redis-0'), 'sh', '-c', `echo ${secret} >/shared/secret`);
    const [first, second] = servers;
    if (!first || !second) throw new Error('two servers are needed');
    const wire = await Wire.listen(first, secret);
    const seen = await watched(async () => {
      // Little enough to go along with the images, then so much that it follows page by page.
      for (const megabytes of [20, 100]) {
        await fill(await test.ready('redis-0'), megabytes);
        const { end } = await lab.move('redis-0');
        expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'everything' } });
      }
    });
    const { heard, missed } = await wire.report();
    expect(missed).toBe(0);
    // All of it went over that cable, there and back.
    expect(heard['eth0']?.bytes).toBeGreaterThan(120 * 2 ** 20);
    for (const cable of ['eth0', 'pods0', 'cni0']) expect([cable, heard[cable]?.hits ?? 0]).toEqual([cable, 0]);

    for (const { name } of servers) {
      expect(seen).toContain(`${name}: folder 700 root`);
      expect(seen).toContain(`${name}: file pages`);
    }
    expect(seen.filter((line) => / folder (?!700 root)| open /.test(line))).toEqual([]);

    const at = test.serverOf(await test.ready('redis-0'));
    const [here, gone] = [await filesWith(at), await filesWith(at === first ? second : first)];
    // The volume of the pod itself, where it runs now.
    expect(here.filter((file) => !file.endsWith('volumes/kubernetes.io~empty-dir/shared/secret'))).toEqual([]);
    expect(here.length).toBeGreaterThan(0);
    expect(gone).toEqual([]);
    expect(await lab.leftovers()).toEqual([]);

    // It would have been heard.
    const send = `import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'${secret}', ('${first.address}', 9))`;
    await second.run(['python3', '-c', send]);
    expect((await wire.report()).heard['eth0']?.hits).toBeGreaterThan(0);
    wire.stop();
  },
);
