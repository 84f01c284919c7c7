/**
 * Pods moved alive where the network gives none of them its address again: memory, files and processes go along, connections
 * end with a reset at once, and clients that go by a name are served on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ClientReport } from '../../src/lab/nodes/clients/meter.ts';
import { serversImage } from '../../src/lab/nodes/images.ts';
import { containers } from '../../src/lab/nodes/workloads.ts';
import type { PodObject } from '../../src/simulator/kubernetes/objects.ts';
import { containerIdOf, restartsOf, runcRoot } from './harness.ts';
import { withMovingLab, type MovingLab } from './moving.ts';

const isCampaign = process.env['PITCREW_CAMPAIGN'] === '1';
const minuteMs = 60_000;
/** Far longer than a move on the busiest machine, far shorter than a connection that nobody ends. */
const soonMs = 30_000;
let lab: MovingLab;

/** On a machine without IPv6 the pods have one address each, elsewhere one of each family. */
function hasSecondFamily(): boolean {
  const file = '/proc/sys/net/ipv6/conf/all/disable_ipv6';
  return existsSync(file) && readFileSync(file, 'utf8').trim() === '0';
}

withMovingLab(
  (started) => {
    lab = started;
  },
  hasSecondFamily() ? 'host-local-dual' : 'host-local',
);

const workloads = [
  {
    name: 'redis',
    client: { kind: 'redis', megabytes: 100, writtenMegabytesPerSecond: 5 },
    connections: 2,
    few: 2,
  },
  // One connection asks; the other is idle, and is told all the same.
  { name: 'redis', client: { kind: 'redis', megabytes: 20 }, connections: 2, few: 4 },
  { name: 'forking', client: { kind: 'forking', connections: 20 }, connections: 20, few: 2 },
  { name: 'echo', client: { kind: 'echo', connections: 50 }, connections: 50, few: 2 },
] as const;

function wentWrong({ faults, ends, longestSilenceMs }: ClientReport, resets: number): string[] {
  const ended =
    JSON.stringify(ends) === JSON.stringify({ ECONNRESET: resets }) ? [] : [`ended: ${JSON.stringify(ends)}`];
  return [...faults, ...ended, ...(longestSilenceMs > soonMs ? [`silent for ${longestSilenceMs} ms`] : [])];
}

describe('a pod that gets another address', () => {
  it.each(workloads)(
    'keeps its memory and ends its connections with a reset: %j',
    { timeout: 30 * minuteMs },
    async ({ name, client: kind, connections, few }) => {
      const { test } = lab;
      test.statefulSet(name, { containers: [containers[name]] });
      let pod = await test.ready(`${name}-0`);
      const client = await test.client(kind, pod, 'name');
      const count = isCampaign ? 20 : few;
      const figures: string[] = [];
      for (let number = 1; number <= count; number += 1) {
        const { end } = await lab.move(`${name}-0`);
        expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'memory' } });
        const moved = await test.ready(`${name}-0`, pod.metadata.uid);
        expect(moved.spec.nodeName).not.toBe(pod.spec.nodeName);
        expect(moved.status.podIP).not.toBe(pod.status.podIP);
        expect(restartsOf(moved)).toBe(0);
        pod = moved;
        await sleep(1_000);
        const report = await client.report();
        expect(wentWrong(report, number * connections)).toEqual([]);
        figures.push(`${Math.round(report.longestGapMs)} (${end.kind === 'done' ? end.evidence.freezeMs : ''})`);
      }
      console.log(`  ${name}, ${connections} connections: gap (freeze) in ms ${figures.join(', ')}`);
      expect((await client.stop()).faults).toEqual([]);
      expect(await lab.leftovers()).toEqual([]);
    },
  );

  it(
    'takes along what its containers had of each other but for connections, and is asked again by whom it asked',
    { timeout: 5 * minuteMs },
    async () => {
      const { test } = lab;
      // Keeps a connection to its neighbour on loopback and counts over it; a new connection when the old one has ended.
      const asking = `
import socket, time
n = 0
while True:
    try:
        with socket.create_connection(('127.0.0.1', 7000)) as connection, connection.makefile('rw') as stream:
            while True:
                stream.write(f'{n}\\n'); stream.flush()
                if stream.readline() != f'{n}\\n': break
                n += 1
                open('/shared/count', 'w').write(str(n))
                time.sleep(0.05)
    except OSError: pass
    open('/shared/ends', 'a').write('x')
    time.sleep(0.1)
`;
      const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
      test.pod('p', {
        containers: [
          { ...containers.echo, volumeMounts },
          { name: 'asking', image: serversImage, command: ['python3', '-c', asking], volumeMounts },
        ],
        volumes: [{ name: 'shared', emptyDir: {} }],
      });
      const pod = await test.ready('p');
      const read = async (file: string): Promise<string> =>
        test.inPod(await test.ready('p'), 'sh', '-c', `cat /shared/${file} 2>/dev/null || true`);
      const before = await test.until('it counts', async () => Number(await read('count')) || undefined);
      const { end } = await lab.move('p');
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'memory' } });
      const moved = await test.ready('p', pod.metadata.uid);
      expect(moved.status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0, 0]);
      await test.until('it counts on, over another connection', async () => {
        return Number(await read('count')) > before + 20 && (await read('ends')) !== '';
      });
      expect(await lab.leftovers()).toEqual([]);
    },
  );
});

/** Shell words before a command that is to run in the network of a pod. */
function intoNetwork(pod: PodObject): string {
  const pid = `runc --root ${runcRoot} state ${containerIdOf(pod)} | sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p'`;
  return `nsenter --net="/proc/$(${pid})/ns/net"`;
}

it('what a pod keeps on this network is said beforehand', async () => {
  expect(await lab.detect()).toMatchObject({
    kind: 'ready',
    text: '2 of 2 servers ready; a pod keeps its memory, gets another address, and connections are closed (network host-local)',
  });
});

describe('a pod that asks a name server in the very moment', () => {
  it('is moved, and asks on from its new address', { timeout: 5 * minuteMs }, async () => {
    const { test } = lab;
    // Sockets that are bound to the pod's own address for as long as an answer takes, some of them at any time.
    const asking = `
import socket, threading, time
def ask():
    while True:
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                s.connect(('10.88.0.1', 53)); s.send(b'?'); time.sleep(0.1)
        except OSError: time.sleep(0.1)
for _ in range(20): threading.Thread(target=ask).start()
`;
    test.pod('p', { containers: [{ name: 'asking', image: serversImage, command: ['python3', '-c', asking] }] });
    const pod = await test.ready('p');
    await sleep(1_000);
    expect((await lab.move('p')).end).toMatchObject({ kind: 'done', evidence: { kept: 'memory' } });
    const moved = await test.ready('p', pod.metadata.uid);
    expect(restartsOf(moved)).toBe(0);
    await sleep(1_000);
    const show = `${intoNetwork(moved)} sh -c 'ip -o addr show dev lo; ss -Hnu'`;
    const { stdout } = await test.serverOf(moved).run(['sh', '-c', show]);
    expect(stdout).toContain(`${moved.status.podIP}:`);
    // Lent for the restore, and gone with the sockets that needed it.
    expect(stdout).not.toContain(`${pod.status.podIP}/`);
    expect(stdout).not.toContain(`${pod.status.podIP}:`);
    expect(await lab.leftovers()).toEqual([]);
  });
});

describe('a pod whose restore fails', () => {
  it(
    'serves on with its connections, and comes back with its memory under another address',
    { timeout: 5 * minuteMs },
    async () => {
      const { test } = lab;
      test.statefulSet('redis', { containers: [containers.redis] });
      const pod = await test.ready('redis-0');
      const client = await test.client({ kind: 'redis', megabytes: 20 }, pod, 'name');
      const source = test.serverOf(pod);
      const target = test.server(lab.other(source.name));
      const kept: { connections: number; ends: ClientReport['ends'] }[] = [];
      const mend = (): void => void target.run(['umount', '/usr/sbin/criu']);
      const moving = lab.move('redis-0', {
        onBegin: (order) => {
          void target.run(['mount', '--bind', '/bin/false', '/usr/sbin/criu']);
          void test.until('the source has been thawed', async () => {
            const notes = `/run/pitcrew/moves/${order().id}.source/notes`;
            const { stdout } = await source.run(['sh', '-c', 'cat "$1" 2>/dev/null', 'sh', notes], { mayFail: true });
            if (!stdout.includes('resumed')) return false;
            // A client that was silenced for seconds asks again when TCP lets it; what it asked over must still be there.
            const established = `${intoNetwork(pod)} ss -Hnt state established sport = :6379 | wc -l`;
            const { stdout: connections } = await source.run(['sh', '-c', established]);
            kept.push({ connections: Number(connections), ends: (await client.report()).ends });
            return true;
          });
        },
      });
      const { end } = await moving.finally(mend);
      expect(end).toMatchObject({ kind: 'rolledBack' });
      expect(end.kind === 'rolledBack' && end.because).toContain('another address');
      expect(kept).toEqual([{ connections: 2, ends: {} }]);
      const back = await test.ready('redis-0', pod.metadata.uid);
      expect(back.spec.nodeName).toBe(source.name);
      await sleep(1_000);
      expect(wentWrong(await client.stop(), 2)).toEqual([]);
      expect(restartsOf(back)).toBe(0);
      expect(await lab.leftovers()).toEqual([]);
    },
  );
});

const ownAddress =
  "u = socket.socket(type=socket.SOCK_DGRAM); u.connect(('10.88.0.1', 9)); own = u.getsockname()[0]; u.close()";
const listening = (where: string): string =>
  `import socket, time; ${ownAddress}; s = socket.create_server((${where}, 7000)); time.sleep(1e6)`;

describe('a pod that goes by its address', () => {
  const program = (text: string, more: object = {}): object => ({
    containers: [{ name: 'main', image: serversImage, command: ['python3', '-c', text], ...more }],
  });
  const connected = `import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.connect(('10.88.0.1', 9)); time.sleep(1e6)`;
  const variable = { env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }] };

  it.each([
    ['a socket on its own: tcp 10.88.', program(listening('own')), 'listens on it'],
    ['a socket on its own: udp 10.88.', program(connected), 'asks from it'],
    ['the one that it was told: POD_IP of main', program(listening("'0.0.0.0'"), variable), 'is told it'],
  ])('is refused by name before anything starts: %s', { timeout: 2 * minuteMs }, async (named, spec) => {
    const { test } = lab;
    test.pod('p', spec as Record<string, unknown>);
    const pod = await test.ready('p');
    await sleep(1_000);
    const assessment = await lab.assess('p', lab.other(pod.spec.nodeName ?? ''));
    expect(assessment.kind === 'unable' && assessment.blockers.join('; ')).toContain(named);
    expect(await lab.leftovers()).toEqual([]);
  });

  it('or by rules of its network is refused, too', { timeout: 2 * minuteMs }, async () => {
    const { test } = lab;
    test.pod('p', { containers: [{ name: 'main', image: serversImage, command: ['sleep', 'infinity'] }] });
    const pod = await test.ready('p');
    await test.serverOf(pod).run(['sh', '-c', `${intoNetwork(pod)} nft add table inet redirects`]);
    const assessment = await lab.assess('p', lab.other(pod.spec.nodeName ?? ''));
    expect(assessment.kind === 'unable' && assessment.blockers.join('; ')).toContain('rules of its own');
  });
});
