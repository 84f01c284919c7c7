/**
 * Real containers moved alive between the servers of the node lab, by the built-in mover as a daemon would, while clients write and
 * check every answer. `npm run lab:nodes -- --campaign` moves more often; what it prints stands in docs/measurements.md.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { serversImage } from '../../src/lab/nodes/images.ts';
import { containers } from '../../src/lab/nodes/workloads.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { restartsOf } from './harness.ts';
import { figuresTable, type MoveFigures } from './figures.ts';
import { moveThereAndBack, withMovingLab, type MovingLab } from './moving.ts';

const isCampaign = process.env['PITCREW_CAMPAIGN'] === '1';
const minuteMs = 60_000;
let lab: MovingLab;
const figures: { what: string; moves: readonly MoveFigures[] }[] = [];

withMovingLab((started) => {
  lab = started;
});
afterAll(() => {
  console.log(`\nLive moves, in ms (median / p95 / worst)\n\n${figuresTable(figures)}\n`);
});

function mayReadLimits(): boolean {
  const capSysResource = 24n;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> capSysResource) & 1n) === 1n;
}

const farAway = `table inet far {
  set young {
    type inet_service
    flags dynamic, timeout
  }
  chain out {
    type filter hook output priority 0;
    tcp dport 7000 tcp flags & (syn | ack) == syn add @young { tcp sport timeout 150ms } accept
    tcp dport 7000 tcp sport @young drop
  }
}`;

/** Moves: a way there and the way back are two. */
const times = (few: number, campaign = 20): number => (isCampaign ? campaign : few);

const workloads = [
  { what: 'redis, 100 MB', name: 'redis', client: { kind: 'redis', megabytes: 100 }, moves: times(4, 40) },
  { what: 'redis, 500 MB', name: 'redis', client: { kind: 'redis', megabytes: 500 }, moves: times(2) },
  {
    what: 'redis, 500 MB, 20 MB/s written',
    name: 'redis',
    client: { kind: 'redis', megabytes: 500, writtenMegabytesPerSecond: 20 },
    moves: times(2),
  },
  {
    what: 'a process per connection, 30',
    name: 'forking',
    client: { kind: 'forking', connections: 30 },
    moves: times(2),
  },
  // CRIU reads the limits of processes that belong to others, and for that root needs a capability that containers and some
  // virtual machines do not have.
  ...(mayReadLimits()
    ? [{ what: 'PostgreSQL', name: 'postgres', client: { kind: 'postgres' }, moves: times(4) } as const]
    : []),
  { what: 'echo, 200 connections', name: 'echo', client: { kind: 'echo', connections: 200 }, moves: times(2) },
  {
    what: 'echo, a connection per question, 30 at once',
    name: 'echo',
    client: { kind: 'visitors', connections: 30 },
    moves: times(4),
  },
] as const;

describe('a pod that is moved alive, there and back', () => {
  it.each(workloads)(
    'keeps address, connections, memory and every acknowledged write: $what',
    { timeout: 30 * minuteMs },
    async ({ what, name, client: kind, moves: count }) => {
      const { test } = lab;
      test.statefulSet(name, { containers: [containers[name]] });
      const pod = await test.ready(`${name}-0`);
      const client = await test.client(kind, pod);
      const moves = await moveThereAndBack(lab, `${name}-0`, client, count);
      figures.push({ what, moves });
      const report = await client.stop();
      expect(report.faults).toEqual([]);
      expect(report.answers).toBeGreaterThan(100);
      expect(restartsOf(await test.ready(`${name}-0`))).toBe(0);
      expect(await lab.leftovers()).toEqual([]);
    },
  );

  it.each(['a bare pod', 'a pod of a ReplicaSet'])('may be %s as well', { timeout: 5 * minuteMs }, async (what) => {
    const { test } = lab;
    const labels = { app: 'echo' };
    const spec = { containers: [containers.echo] };
    if (what === 'a bare pod') test.pod('echo', spec, { labels });
    else {
      const template = { metadata: { labels }, spec };
      test.create(kinds.replicaSets, 'echo', { spec: { replicas: 1, selector: { matchLabels: labels }, template } });
    }
    const nameNow = (): Promise<string> =>
      test.until('there is one pod', () => test.lab.world.api.store.list(kinds.pods)[0]?.metadata.name);
    const client = await test.client({ kind: 'echo', connections: 20 }, await test.ready(await nameNow()));
    const nodes = new Set<string | undefined>();
    for (let count = 0; count < 2; count += 1) {
      const { end } = await lab.move(await nameNow());
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'everything' } });
      nodes.add((await test.ready(await nameNow())).spec.nodeName);
    }
    expect(nodes.size).toBe(2);
    expect((await client.stop()).faults).toEqual([]);
    expect(await lab.leftovers()).toEqual([]);
  });

  it(
    'keeps connections that one side has closed, and what the other says then',
    { timeout: 5 * minuteMs },
    async () => {
      const { test } = lab;
      test.statefulSet('halves', { containers: [containers.halves] });
      const client = await test.client({ kind: 'halves', connections: 5 }, await test.ready('halves-0'));
      for (let count = 0; count < 2; count += 1) {
        const { end } = await lab.move('halves-0');
        expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'everything' } });
        await test.ready('halves-0');
      }
      expect(await client.stop()).toMatchObject({ faults: [], answers: 10 });
      expect(await lab.leftovers()).toEqual([]);
    },
  );

  it('keeps connections that are being made while the address goes over', { timeout: 5 * minuteMs }, async () => {
    const { test } = lab;
    test.statefulSet('echo', { containers: [containers.echo] });
    const pod = await test.ready('echo-0');
    // What a client sends after its first packet is lost for a while, as if the way were long: the next try comes after 0.2 s.
    await test.clientRules(farAway);
    try {
      const client = await test.client({ kind: 'visitors', connections: 30 }, pod);
      expect(await moveThereAndBack(lab, 'echo-0', client, 2)).toHaveLength(2);
      const report = await client.stop();
      expect(report).toMatchObject({ faults: [] });
      expect(report.answers).toBeGreaterThan(100);
    } finally {
      await test.clientRules('delete table inet far');
    }
    expect(await lab.leftovers()).toEqual([]);
  });

  it('takes along what belongs to it: two containers, volumes, probes, hooks', { timeout: 5 * minuteMs }, async () => {
    const { test } = lab;
    test.create(test.lab.configMaps, 'settings', { data: { colour: 'blue' } });
    test.create(test.lab.secrets, 'keys', { data: { key: Buffer.from('hunter2').toString('base64') } });
    const volumeMounts = [
      { name: 'shared', mountPath: '/shared' },
      { name: 'settings', mountPath: '/settings' },
      { name: 'keys', mountPath: '/keys', readOnly: true },
    ];
    // Counts in its memory alone, and says how far on demand.
    const counting = 'n=0; while :; do n=$((n+1)); echo $n >/shared/count; sleep 0.1; done';
    test.pod('p', {
      terminationGracePeriodSeconds: 5,
      initContainers: [
        { name: 'init', image: serversImage, command: ['sh', '-c', 'echo once >>/shared/init'], volumeMounts },
      ],
      containers: [
        {
          ...containers.echo,
          volumeMounts,
          livenessProbe: { exec: { command: ['cat', '/shared/init'] }, periodSeconds: 1, failureThreshold: 2 },
          lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo stopped >/shared/hook'] } } },
        },
        { name: 'counter', image: serversImage, command: ['sh', '-c', counting], volumeMounts },
      ],
      volumes: [
        { name: 'shared', emptyDir: {} },
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys' } },
      ],
    });
    const pod = await test.ready('p');
    const client = await test.client({ kind: 'echo', connections: 20 }, pod);
    await sleep(1_000);
    // Of the layer of its own: a file of the image that is gone, a folder made anew in the place of another, a file that is new.
    const anew = 'cd /usr/share/zoneinfo && rm UTC && rm -r Etc && mkdir Etc && touch Etc/mine';
    await test.inPod(pod, 'sh', '-c', `${anew} && mkdir -p /new/folder && echo it >/new/folder/file`);
    await test.inPod(pod, 'sh', '-c', 'echo old >/shared/old');
    // More than the freeze has room for.
    const big = `import os; open('/shared/big', 'wb').write(os.urandom(300 << 20))`;
    const sum = `import hashlib; print(hashlib.sha256(open('/shared/big', 'rb').read()).hexdigest())`;
    await test.inPod(pod, 'python3', '-c', big);
    const sumBefore = await test.inPod(pod, 'python3', '-c', sum);
    const countIn = async (where: typeof pod): Promise<number> =>
      Number(await test.inPod(where, 'cat', '/shared/count'));
    // It is empty for a moment each time that it is written.
    const before = await test.until('it counts', async () => (await countIn(pod)) || undefined);
    for (let count = 0; count < 2; count += 1) {
      const { end } = await lab.move('p');
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'everything' } });
    }
    const after = await test.ready('p');
    await test.until('it counts on from where it was', async () => (await countIn(after)) > before + 20);
    const show = 'cat /shared/init /settings/colour /keys/key; ls /shared';
    expect(await test.inPod(after, 'sh', '-c', show)).toBe('once\nbluehunter2big\ncount\ninit\nold');
    expect(await test.inPod(after, 'python3', '-c', sum)).toBe(sumBefore);
    const layer = 'cat /new/folder/file /shared/old; cd /usr/share/zoneinfo; ls; ls Etc';
    expect(await test.inPod(after, 'sh', '-c', layer)).toBe('it\nold\nEtc\nmine');
    expect((await test.ready('p')).status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0, 0]);
    expect((await client.stop()).faults).toEqual([]);
    expect(await lab.leftovers()).toEqual([]);
  });
});
