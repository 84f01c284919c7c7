/** What cannot be moved alive is refused by name before anything starts: pods and servers as they really are, asked by the mover itself. */
import { describe, expect, it } from 'vitest';
import { serversImage } from '../../src/lab/nodes/images.ts';
import { deviceResource } from '../../src/lab/nodes/kubelet/pod-config.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { wrapper } from './installed.ts';
import { withMovingLab, type MovingLab } from './moving.ts';

const sleeper = { name: 'main', image: serversImage, command: ['sleep', 'infinity'] };
const [source, target] = ['node-a', 'node-b'];
let lab: MovingLab;

withMovingLab((started) => {
  lab = started;
});

/** The mover's word on a pod from the one server to the other; before it, what a disguise has changed. */
async function blockersOf(name: string): Promise<string> {
  const { uid } = (await lab.test.ready(name)).metadata;
  const assessment = await lab.assess(name, target);
  expect(lab.test.find(name)?.metadata.uid).toBe(uid);
  expect(await lab.leftovers()).toEqual([]);
  return assessment.kind === 'unable' ? assessment.blockers.join('; ') : assessment.kind;
}

/** One file of a server is another one, for as long as the work takes. */
async function disguised<T>(
  name: string,
  { file, make }: { readonly file: string; readonly make: string },
  work: () => Promise<T>,
): Promise<T> {
  const server = lab.test.server(name);
  const script = `${make} >/run/disguise && chmod --reference="$1" /run/disguise && mount --bind /run/disguise "$1"`;
  await server.run(['sh', '-c', script, 'sh', file]);
  try {
    return await work();
  } finally {
    await server.run(['umount', file]);
  }
}

describe('a pod that cannot be moved alive', () => {
  const volumes = (volume: Readonly<Record<string, unknown>>): unknown => [{ name: 'data', ...volume }];
  const mounting = { ...sleeper, volumeMounts: [{ name: 'data', mountPath: '/data' }] };

  it('would be moved, were it not for what it has', async () => {
    lab.test.pod('p', { nodeName: source, containers: [sleeper] });
    expect(await blockersOf('p')).toBe('able');
  });

  it.each([
    ['host network', { hostNetwork: true, containers: [sleeper] }],
    ['hostPath volume data', { containers: [sleeper], volumes: volumes({ hostPath: { path: '/srv' } }) }],
    ['container main has a TTY', { containers: [{ ...sleeper, tty: true, stdin: true }] }],
    ['process namespace', { hostPID: true, containers: [sleeper] }],
    ['process namespace shared by its containers', { shareProcessNamespace: true, containers: [sleeper] }],
    [
      'container main has a device',
      {
        containers: [
          { ...sleeper, resources: { limits: { [deviceResource]: '1' }, requests: { [deviceResource]: '1' } } },
        ],
      },
    ],
  ])('is refused by name before anything starts: %s', async (named, spec) => {
    lab.test.pod('p', { nodeName: source, ...spec });
    expect(await blockersOf('p')).toContain(named);
  });

  it('is refused by name before anything starts: the local volume of a claim', async () => {
    const { test } = lab;
    await test.server(source).run(['mkdir', '-p', '/srv/data']);
    test.lab.world.api.registry.create(kinds.persistentVolumes, '', {
      metadata: { name: 'local' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        local: { path: '/srv/data' },
        claimRef: { namespace: 'default', name: 'c' },
      },
    });
    test.create(kinds.persistentVolumeClaims, 'c', { spec: { accessModes: ['ReadWriteOnce'], volumeName: 'local' } });
    const claimed = volumes({ persistentVolumeClaim: { claimName: 'c' } });
    test.pod('p', { nodeName: source, containers: [mounting], volumes: claimed });
    await test.ready('p');
    expect(await blockersOf('p')).toContain('volume data');
  });
});

describe('a server that cannot take a pod alive, or let it go', () => {
  const oldCriu = `printf '#!/bin/sh\\necho "Version: 3.17.1"\\n'`;
  it.each([
    {
      what: 'a processor that lacks something',
      on: target,
      file: '/proc/cpuinfo',
      make: `sed 's/ sse4_2 / /' /proc/cpuinfo`,
      named: `the processor of ${target} lacks sse4_2`,
    },
    {
      what: 'too little memory',
      on: target,
      file: '/proc/meminfo',
      make: `sed 's/^MemAvailable:.*/MemAvailable:     200000 kB/' /proc/meminfo`,
      named: `too little memory on ${target}: 195 MiB of`,
    },
    { what: 'an old CRIU', on: target, file: '/usr/sbin/criu', make: oldCriu, named: `${target} has CRIU 3.17.1` },
    { what: 'an old CRIU', on: source, file: '/usr/sbin/criu', make: oldCriu, named: `${source} has CRIU 3.17.1` },
    {
      what: 'another wrapper',
      on: target,
      file: wrapper,
      make: `printf '#!/bin/sh\\nexec runc "$@"\\n'`,
      named: `${target} has another version of pitcrew-runc`,
    },
  ])('is refused by name before anything starts: $what on $on', async ({ on, file, make, named }) => {
    lab.test.pod('p', { nodeName: source, containers: [sleeper] });
    await lab.test.ready('p');
    expect(await disguised(on, { file, make }, () => blockersOf('p'))).toContain(named);
  });
});
