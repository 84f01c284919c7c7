/** Who takes part in a live move, and what is named where somebody does not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressBlockers,
  pairBlockers,
  podBlockers,
  serverBlockers,
  serverFactsOf,
} from '../../src/movers/criu/readiness.ts';
import { pod } from '../workflow/fixtures.ts';

const ready = `fact arch x86_64
fact kernel 6.12.41
fact cgroups 2
fact criuCheck ok
fact criu 4.2.1
fact feature uffd-noncoop
fact runc 1.3.6+ds1
fact binary /usr/local/sbin/pitcrew-runc
fact wrapper same
fact annotations passed
fact memoryKib 8388608
fact cpu fpu sse2 avx avx2
fact network lab-ipam
fact container uid-1 app bytes 1048576
`;

const facts = serverFactsOf(ready);
const movable = pod({ uid: 'uid-1', ready: true, hostNetwork: false, volumes: [] });

function factsWith(before: string, after: string): ReturnType<typeof serverFactsOf> {
  expect(ready).toContain(before);
  return serverFactsOf(ready.replace(before, after));
}

describe('a server', () => {
  it('that has everything is ready', () => {
    expect(serverBlockers('a', facts)).toEqual([]);
  });

  it.each([
    ['fact criu 4.2.1', 'fact criu 3.17.1', 'a has CRIU 3.17.1, and 4.0 is the oldest that does'],
    ['fact criu 4.2.1\n', '', 'a has no CRIU'],
    ['fact criuCheck ok', 'fact criuCheck Error: no', 'CRIU does not work on a: Error: no'],
    ['fact runc 1.3.6+ds1', 'fact runc 1.1.5', 'a has runc 1.1.5, and 1.2 is the oldest that does'],
    ['fact wrapper same', 'fact wrapper none', 'containerd on a does not use pitcrew-runc'],
    ['fact wrapper same', 'fact wrapper other', 'a has another version of pitcrew-runc'],
    ['fact annotations passed\n', '', 'containerd on a does not pass pitcrew.dev/* annotations on'],
    ['fact arch', 'fact missing nft\nfact missing tc\nfact arch', 'a lacks nft, tc'],
  ])('with %j as %j is refused by name', (before, after, because) => {
    expect(serverBlockers('a', factsWith(before, after))).toEqual([because]);
  });

  it('that says nothing at all is not taken for ready', () => {
    expect(serverBlockers('a', serverFactsOf('')).length).toBeGreaterThan(3);
  });
});

describe('a pod', () => {
  it('of ordinary containers can be moved', () => {
    expect(podBlockers(movable, facts)).toEqual([]);
  });

  it.each([
    [{ hostNetwork: true }, 'host network'],
    [{ volumes: [{ name: 'logs', kind: 'hostPath' as const }] }, 'hostPath volume logs'],
    [
      { volumes: [{ name: 'data', kind: 'persistentVolumeClaim' as const, claim: 'data' }] },
      'volume data that has to be attached elsewhere',
    ],
    [{ ready: false }, 'it is not ready'],
    [{ sidecars: ['proxy'] }, 'sidecar proxy among its init containers'],
    [{ owner: { kind: 'Job', name: 'j', uid: 'u' } }, 'its owner is a Job, which may not make it anew'],
  ])('with %j is refused by name', (change, because) => {
    expect(podBlockers({ ...movable, ...change }, facts)).toEqual([because]);
  });

  it.each([
    ['tty', 'container app has a TTY'],
    ['device', 'container app has a device'],
    ['ownGroups', 'container app has processes in control groups of its own making'],
    ['ownRules', 'container app has a network with rules of its own (nft, iptables), which do not go along'],
    ['sharedProcesses', 'container app has a process namespace shared by its containers'],
  ])('whose container has the trait %s is refused by name', (trait, because) => {
    expect(podBlockers(movable, serverFactsOf(`${ready}fact container uid-1 app ${trait}\n`))).toEqual([because]);
  });

  it('of which its server knows no container is not moved', () => {
    expect(podBlockers({ ...movable, uid: 'other' }, facts)).toHaveLength(1);
  });
});

describe('a pod that would get another address', () => {
  const elsewhere = serverFactsOf(ready.replace('network lab-ipam', 'network calico'));

  it('may have connections, for they are what it does not keep', () => {
    expect(addressBlockers(movable, elsewhere)).toEqual([]);
  });

  it('is refused for each socket that goes by its own address, and for no one else’s', () => {
    const sockets =
      'fact socket uid-1 tcp 10.1.2.3:7000\nfact socket uid-1 udp 10.1.2.3:53\nfact socket uid-2 tcp 10.1.2.4:80\n';
    expect(addressBlockers(movable, serverFactsOf(`${ready}${sockets}`))).toEqual([
      'it would get another address, and has a socket on its own: tcp 10.1.2.3:7000',
      'it would get another address, and has a socket on its own: udp 10.1.2.3:53',
    ]);
  });

  it.each([
    [
      { addressVariables: ['POD_IP of app', 'HOST of side'] },
      /goes by the one that it was told: POD_IP of app, HOST of side$/,
    ],
    [
      { annotations: { 'cni.projectcalico.org/ipAddrs': '["10.1.2.3"]' } },
      /^it asks for an address of its own \(cni.projectcalico/,
    ],
  ])('is refused by name with %j', (change, because) => {
    const blockers = addressBlockers({ ...movable, ...change }, elsewhere);
    expect(blockers).toHaveLength(1);
    expect(blockers[0]).toMatch(because);
  });

  it('is refused where its name brings it the same address at once, unless it gets another name as well', () => {
    const named = serverFactsOf(ready.replace('network lab-ipam', 'network kube-ovn'));
    const owner = { kind: 'StatefulSet', name: 'db', uid: 'u' };
    expect(addressBlockers({ ...movable, owner }, named)).toHaveLength(1);
    expect(addressBlockers({ ...movable, owner: { ...owner, kind: 'ReplicaSet' } }, named)).toEqual([]);
  });
});

describe('two servers', () => {
  it('that are alike fit', () => {
    expect(pairBlockers(['a', facts], ['b', facts], 100_000_000)).toEqual([]);
  });

  it('do not fit where the target lacks an instruction, and fit the other way round', () => {
    const older = factsWith('avx avx2', 'avx');
    expect(pairBlockers(['a', facts], ['b', older], 0)).toEqual(['the processor of b lacks avx2']);
    expect(pairBlockers(['b', older], ['a', facts], 0)).toEqual([]);
  });

  it('do not fit where the kernel of the target is older, and fit the other way round', () => {
    const older = factsWith('kernel 6.12.41', 'kernel 6.1.0-40-amd64');
    expect(pairBlockers(['a', facts], ['b', older], 0)).toHaveLength(1);
    expect(pairBlockers(['b', older], ['a', facts], 0)).toEqual([]);
  });

  it('do not fit where one has control groups of another version, either way', () => {
    const old = factsWith('cgroups 2', 'cgroups 1');
    expect(pairBlockers(['a', facts], ['b', old], 0)).toEqual(['b has control groups of version 1, a of version 2']);
    expect(pairBlockers(['b', old], ['a', facts], 0)).toHaveLength(1);
  });

  it('do not fit where images and memory have no room side by side', () => {
    const gib = 1_073_741_824;
    expect(pairBlockers(['a', facts], ['b', facts], 3 * gib)).toEqual([]);
    expect(pairBlockers(['a', facts], ['b', facts], 4 * gib)[0]).toMatch(/^too little memory on b/);
  });

  it('never fit where the source has a flag that programs are compiled for and the target has not', () => {
    const flag = fc.constantFrom('avx512f', 'sse4_2', 'bmi2', 'aes', 'sha_ni');
    fc.assert(
      fc.property(fc.uniqueArray(flag, { minLength: 1 }), fc.array(flag), (here, there) => {
        const source = serverFactsOf(ready.replace('avx avx2', here.join(' ')));
        const target = serverFactsOf(ready.replace('avx avx2', there.join(' ')));
        const fits = pairBlockers(['a', source], ['b', target], 0).length === 0;
        expect(fits).toBe(here.every((name) => there.includes(name)));
      }),
    );
  });
});
