/** The node lab itself: its servers and kubelets behave as real ones, as far as a live move can tell the difference. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { serversImage } from '../../src/lab/nodes/images.ts';
import { containers } from '../../src/lab/nodes/workloads.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { LabServer } from '../../src/lab/nodes/server.ts';
import { containerIdOf, restartsOf, TestLab } from './harness.ts';

const minuteMs = 60_000;
let test: TestLab;

beforeAll(async () => {
  const runcBinary = '/usr/local/sbin/runc-that-tells';
  test = await TestLab.start({ runcBinary, files: [{ path: runcBinary, text: runcThatTells, mode: 0o755 }] });
}, 20 * minuteMs);
afterAll(async () => {
  await test.stop();
}, minuteMs);
afterEach(async () => {
  await test.clear();
}, 3 * minuteMs);

const sleeper = { name: 'main', image: serversImage, command: ['sleep', 'infinity'] };
/** Ignores the signal that asks it to end. */
const stubborn = { ...sleeper, command: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'] };

/** A `runc` that writes down what it is called for. */
const runcThatTells = `#!/bin/sh
case "$*" in *" kill "*|*" create "*|*" delete "*) echo "$(date +%s.%N) $*" >>/run/calls ;; esac
exec runc "$@"
`;

async function callsOf(server: LabServer, containerId: string): Promise<{ atMs: number; words: string[] }[]> {
  const text = await readFile(server.inServer('/run/calls'), 'utf8').catch(() => '');
  return text
    .trim()
    .split('\n')
    .filter((line) => line.includes(containerId))
    .map((line) => line.split(' '))
    .map(([at, ...words]) => ({ atMs: Number(at) * 1_000, words }));
}

describe('a lab server', () => {
  it('serves redis, PostgreSQL and two hundred connections of an echo server', { timeout: 3 * minuteMs }, async () => {
    for (const name of ['redis', 'postgres', 'echo'] as const)
      test.statefulSet(name, { containers: [containers[name]] });
    const clients = [
      await test.client({ kind: 'redis', megabytes: 20, writtenMegabytesPerSecond: 5 }, await test.ready('redis-0')),
      await test.client({ kind: 'postgres' }, await test.ready('postgres-0')),
      await test.client({ kind: 'echo', connections: 200 }, await test.ready('echo-0')),
    ];
    await sleep(2_000);
    for (const client of clients) {
      const report = await client.stop();
      expect(report.faults).toEqual([]);
      expect(report.answers).toBeGreaterThan(50);
    }
  });

  it('comes back from a reboot with another boot id, and its pods start anew', { timeout: 3 * minuteMs }, async () => {
    test.pod('p', { nodeName: 'node-b', containers: [sleeper] });
    const before = await test.ready('p');
    const server = test.server('node-b');
    const bootId = server.bootId;
    expect((await server.run(['cat', '/proc/sys/kernel/random/boot_id'])).stdout).toBe(bootId);
    await server.run(['systemctl', 'reboot'], { mayFail: true });
    const after = await test.until('the pod runs again', () => {
      const pod = test.find('p');
      return pod && restartsOf(pod) === 1 && containerIdOf(pod) !== containerIdOf(before) ? pod : undefined;
    });
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect((await server.run(['cat', '/proc/sys/kernel/random/boot_id'])).stdout).not.toBe(bootId);
    const node = test.lab.world.api.store.get(kinds.nodes, undefined, 'node-b');
    expect(node?.status.nodeInfo['bootID']).toBe(server.bootId);
  });

  it('gives a pod the address that it asks for, also while another server still has it', async () => {
    test.pod('old', { nodeName: 'node-a', containers: [sleeper] });
    const address = (await test.ready('old')).status.podIP ?? '';
    const annotations = { 'lab.pitcrew.dev/ip': address };
    test.pod('moved', { nodeName: 'node-b', containers: [sleeper] }, { annotations });
    expect((await test.ready('moved')).status.podIP).toBe(address);
    test.delete('old', 0);
    await test.until('the old one is gone', async () => (await test.running(test.server('node-a'))).length === 0);
    test.pod('next', { nodeName: 'node-a', containers: [sleeper] });
    expect((await test.ready('next')).status.podIP).not.toBe(address);
  });
});

describe('the kubelet of a lab server', () => {
  it('runs init containers first, then two containers that share what the pod brings', async () => {
    test.create(test.lab.configMaps, 'settings', { data: { colour: 'blue' } });
    test.create(test.lab.secrets, 'keys', { data: { key: Buffer.from('hunter2').toString('base64') } });
    const mounts = [
      { name: 'shared', mountPath: '/shared' },
      { name: 'settings', mountPath: '/settings' },
      { name: 'keys', mountPath: '/keys', readOnly: true },
    ];
    const init = {
      name: 'init',
      image: serversImage,
      command: ['sh', '-c', 'echo first >/shared/made'],
      volumeMounts: mounts,
    };
    const env = [
      { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    ];
    test.pod('p', {
      initContainers: [init],
      containers: [
        { ...sleeper, env, volumeMounts: mounts },
        { ...sleeper, name: 'second', volumeMounts: mounts },
      ],
      volumes: [
        { name: 'shared', emptyDir: {} },
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys' } },
      ],
    });
    const pod = await test.ready('p');
    const show = 'cat /shared/made /settings/colour /keys/key; echo " $COLOUR $NAME"; stat -f -c %T /keys';
    expect(await test.inPod(pod, 'sh', '-c', show)).toBe('first\nbluehunter2 blue p\ntmpfs');
    const second = [
      'runc',
      '--root',
      '/run/containerd/runc/k8s.io',
      'exec',
      containerIdOf(pod, 'second'),
      'cat',
      '/shared/made',
    ];
    expect((await test.serverOf(pod).run(second)).stdout).toBe('first');
  });

  it('leaves the containers alone when it restarts itself, and when containerd does', async () => {
    test.pod('p', { nodeName: 'node-a', containers: [sleeper] });
    const before = await test.ready('p');
    await test.lab.restartKubelet('node-a');
    await sleep(1_500);
    expect((await test.server('node-a').run(['systemctl', 'restart', 'containerd'])).exitCode).toBe(0);
    await sleep(3_000);
    const after = await test.ready('p');
    expect(containerIdOf(after)).toBe(containerIdOf(before));
    expect(restartsOf(after)).toBe(0);
  });

  it(
    'restarts a container that its liveness probe gives up, and tells readiness as its probe does',
    { timeout: minuteMs },
    async () => {
      const probe = (file: string): unknown => ({
        exec: { command: ['cat', file] },
        periodSeconds: 1,
        failureThreshold: 1,
      });
      const command = ['sh', '-c', 'touch /alive /ready; exec sleep infinity'];
      test.pod('p', {
        terminationGracePeriodSeconds: 1,
        containers: [{ ...sleeper, command, livenessProbe: probe('/alive'), readinessProbe: probe('/ready') }],
      });
      const pod = await test.ready('p');
      await test.inPod(pod, 'rm', '/ready');
      await test.until('the pod is not Ready', () =>
        test.find('p')?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'False'),
      );
      await test.inPod(pod, 'rm', '/alive');
      const restarted = await test.until('the container was restarted', () => {
        const found = test.find('p');
        return found && restartsOf(found) > 0 ? found : undefined;
      });
      expect(containerIdOf(restarted)).not.toBe(containerIdOf(pod));
    },
  );

  it('lets a pod that is not to be restarted succeed', async () => {
    test.pod('p', { restartPolicy: 'Never', containers: [{ ...sleeper, command: ['true'] }] });
    const phase = await test.until('the pod has ended', () => {
      const found = test.find('p')?.status.phase;
      return found === 'Succeeded' || found === 'Failed' ? found : undefined;
    });
    expect(phase).toBe('Succeeded');
  });

  it('runs the preStop hook before it ends a container, and the object goes last', async () => {
    const preStop = { exec: { command: ['sh', '-c', 'echo bye >/shared/word'] } };
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
    const hostPath = { path: '/run/words' };
    await test.server('node-a').run(['mkdir', '-p', '/run/words']);
    const spec = { nodeName: 'node-a', containers: [{ ...sleeper, volumeMounts, lifecycle: { preStop } }] };
    test.pod('p', { ...spec, terminationGracePeriodSeconds: 1, volumes: [{ name: 'shared', hostPath }] });
    await test.ready('p');
    test.delete('p');
    expect(test.find('p')).toBeDefined();
    await test.until('the object is gone', () => test.find('p') === undefined);
    expect((await test.server('node-a').run(['cat', '/run/words/word'])).stdout).toBe('bye');
    expect(await test.running(test.server('node-a'))).toEqual([]);
  });

  it('ends a pod without grace as recorded: the object at once, then 15, then 9, then the sandbox', async () => {
    const server = test.server('node-a');
    test.pod('p', { nodeName: 'node-a', containers: [stubborn] });
    const id = containerIdOf(await test.ready('p'));
    test.delete('p', 0);
    expect(test.find('p')).toBeUndefined();
    await test.until('it has ended', async () => (await test.running(server)).length === 0);
    const kills = (await callsOf(server, id)).filter(({ words }) => words.includes('kill') || words.includes('delete'));
    expect(kills[0]?.words.at(-1)).toBe('15');
    expect(kills[1]?.words.at(-1)).toBe('9');
    expect(kills[1]?.words).toContain('kill');
    expect((kills[1]?.atMs ?? 0) - (kills[0]?.atMs ?? 0)).toBeGreaterThan(1_900);
    expect(kills.some(({ words }) => words.includes('delete'))).toBe(true);
  });

  it(
    'tries a container that cannot be created again and again, each time as a new one',
    { timeout: minuteMs },
    async () => {
      const server = test.server('node-b');
      await server.run(['sh', '-c', ': >/run/calls']);
      test.pod('p', { nodeName: 'node-b', containers: [{ ...sleeper, command: ['/no/such/program'] }] });
      const attempts = await test.until('the third attempt', async () => {
        const created = (await callsOf(server, ' create ')).map(({ words }) => words.at(-1) ?? '');
        // The first is the sandbox.
        return new Set(created).size >= 4 ? created : undefined;
      });
      expect(new Set(attempts).size).toBe(attempts.length);
      expect(restartsOf(test.find('p') ?? (await test.ready('p')))).toBeGreaterThan(0);
    },
  );
});
