import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { rehearse, startOf } from '../../src/rehearsal/rehearse.ts';
import type { Rehearsal } from '../../src/rehearsal/result.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { createTwin } from '../../src/simulator/twin.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { fleet, racks, someWorkloads, startMs, type Fleet, type FleetShape } from './fleet.ts';

const never = new AbortController().signal;

async function play(
  { definition, snapshot }: Pick<Fleet, 'definition' | 'snapshot'>,
  faults: string[] = [],
  seed = 1,
): Promise<Rehearsal> {
  const { objects, takenMs } = snapshot;
  return rehearse({ definition, objects, takenMs, faults, seed, startMs, signal: never });
}

async function playFleet(shape: FleetShape, faults: string[] = []): Promise<Rehearsal> {
  return play(await fleet(shape), faults);
}

function outcomes(rehearsal: Rehearsal): Record<string, string> {
  return Object.fromEntries(rehearsal.servers.map(({ name, outcome }) => [name, outcome]));
}

describe('a twin', () => {
  it('looks as the cluster did, to the last field that is decided from', async () => {
    const { cluster, snapshot } = await fleet();
    const clock = new VirtualClock(startMs);
    const twin = createTwin({
      objects: snapshot.objects,
      servers: [{ name: 'rack1-01', node: 'rack1-01' }],
      clock,
      random: new SeededRandom(9),
      updatedKernel: (kernel) => `${kernel}+update`,
      bootMsOf: () => 60_000,
      shutdownMs: 1_000,
    });
    const copy = new SimulatedCluster(twin.api);
    const [own, source] = [await copy.view(never), await cluster.view(never)];
    expect(own.pods).toHaveLength(15);
    expect({ nodes: own.nodes, pods: own.pods, budgets: own.budgets }).toEqual({
      nodes: source.nodes,
      pods: source.pods,
      budgets: source.budgets,
    });
    // And so it stays: nothing in it wants to be otherwise.
    await clock.run(() => false, startMs + 10 * 60_000);
    expect((await copy.view(never)).pods).toEqual(source.pods);
    twin.stop();
  });
});

describe('a rehearsal', () => {
  it('goes through every server, moves its pods and tells when', async () => {
    const rehearsal = await playFleet({
      plan: { rollout: { waves: [{ servers: 1, soak: '30m', approval: 'required' }, { servers: '100%' }] } },
    });
    expect(rehearsal).toMatchObject({ outcome: 'done', faults: [], leftDown: [] });
    expect(new Set(Object.values(outcomes(rehearsal)))).toEqual(new Set(['done']));
    expect(rehearsal.podsMoved).toBeGreaterThanOrEqual(9);
    for (const { bars, startedMs = 0, endedMs = 0 } of rehearsal.servers) {
      expect(bars.map(({ phase }) => phase)).toEqual(expect.arrayContaining(['preparing', 'evacuating', 'rebooting']));
      expect(bars[0]?.fromMs).toBe(startedMs);
      expect(bars.at(-1)?.toMs).toBe(endedMs);
    }
    const soak = rehearsal.waits.find((wait) => wait.for === 'soak');
    expect(soak && soak.toMs - soak.fromMs).toBe(30 * 60_000);
    expect(rehearsal.assumptions).toContain('approvals are given at once');
  });

  it('is the same for the same seed, fault by fault', async () => {
    const one = await fleet();
    const faults = ['cluster:flaky', 'rack1-02:boot-slow'];
    const [first, again] = [await play(one, faults, 7), await play(one, faults, 7)];
    expect(again).toEqual(first);
    const other = await play(one, faults, 8);
    expect(other.endMs).not.toBe(first.endMs);
  });

  it.each([
    ['reboot', 'halted', 'did not come back'],
    ['boot-id', 'halted', 'did not come back'],
    ['wrong-kernel', 'halted', 'booted'],
    ['verify', 'halted', 'rehearsed-failure.service'],
    ['sel', 'halted', 'Uncorrectable ECC'],
    ['sensors', 'halted', 'Fan 3'],
    ['service', 'halted', 'exit code 1'],
    ['prepare', 'undone', 'exit code 1'],
    ['bmc', 'undone', 'does not answer'],
    ['bmc-password', 'undone', 'password'],
    ['ssh', 'undone', 'SSH'],
    ['evacuate', 'undone', 'not empty after'],
  ])('shows what becomes of a server with the fault "%s": %s', async (fault, outcome, reason) => {
    const rehearsal = await playFleet({}, [`rack1-02:${fault}`]);
    const server = rehearsal.servers.find(({ name }) => name === 'rack1-02');
    expect(server?.outcome).toBe(outcome);
    expect(server?.reason).toContain(reason);
    // The plan lets one server fail, and no more start.
    expect(rehearsal.outcome).toBe('halted');
    expect(outcomes(rehearsal)['rack2-03']).toBe('waiting');
    expect(rehearsal.faults).toMatchObject([{ server: 'rack1-02', fault }]);
  });

  it.each(['hang', 'bmc-lies', 'boot-slow'])('shows that "%s" is got over, and what time it takes', async (fault) => {
    const faults = fault === 'bmc-lies' ? ['rack1-02:bmc-lies', 'rack1-02:hang'] : [`rack1-02:${fault}`];
    const rehearsal = await playFleet({}, faults);
    expect(rehearsal.outcome).toBe('done');
    const lengths = rehearsal.servers.map(({ name, startedMs = 0, endedMs = 0 }) => ({
      name,
      ms: endedMs - startedMs,
    }));
    expect(lengths.toSorted((a, b) => b.ms - a.ms)[0]?.name).toBe('rack1-02');
  });

  it.each([
    ['rack9-09:reboot', 'the plan has no server rack9-09; there are: rack1-01'],
    ['rack1-01:explode', 'there is no fault "explode"; there are: bmc, bmc-lies, '],
    ['cluster:reboot', 'there is no fault "reboot"; there are: flaky'],
    ['reboot', '"reboot" is no fault: it is written SERVER:FAULT, e.g. rack1-01:reboot'],
  ])('refuses the fault %s, and names what there is', async (fault, message) => {
    await expect(playFleet({}, [fault])).rejects.toThrow(message);
  });

  it('assumes that commands succeed which it does not know, and says which', async () => {
    const rehearsal = await playFleet({
      playbook: {
        prepare: [],
        service: [{ ssh: { run: '# vendor tool\nexport QUIET=1\n/opt/vendor/update-all --yes' } }, { reboot: {} }],
        verify: [{ kernel: { is: '6.18.1-vendor' } }],
      },
    });
    expect(rehearsal.outcome).toBe('done');
    expect(rehearsal.assumedCommands).toEqual([{ step: 'service-1', line: '/opt/vendor/update-all --yes' }]);
  });

  it('assumes no longer boots than the playbook allows for', async () => {
    const quick = await playFleet({ playbook: { service: [{ reboot: { timeout: '6s' } }], verify: [] } });
    expect(quick.outcome).toBe('done');
    expect(quick.assumptions[0]).toBe('a server takes 0.6 s to go down and 1.8 s to boot');
  });

  it('lets servers take as long as earlier runs were measured to take', async () => {
    const { definition, snapshot } = await fleet({ playbook: { service: [{ reboot: {} }], verify: [] } });
    const takes = { p50Ms: 9 * 60_000, p95Ms: 12 * 60_000, measured: 12, group: 'kernel' };
    const servers = definition.servers.map((server) => ({ ...server, takes }));
    const slow = await play({ snapshot, definition: { ...definition, servers } });
    const [first] = slow.servers;
    const lengthMs = (first?.endedMs ?? 0) - (first?.startedMs ?? 0);
    expect(Math.abs(lengthMs - takes.p50Ms)).toBeLessThan(3 * 60_000);
    expect(slow.assumptions[0]).toBe('servers boot as long as earlier runs were measured to take');
  });

  it('keeps to the windows of the plan, and goes on in the next one', async () => {
    const one = await fleet({
      plan: {
        schedule: { windows: [{ opens: '0 22 * * SAT', lasts: '20m', timeZone: 'Europe/Berlin' }], estimate: '6m' },
      },
    });
    const rehearsal = await play(one);
    expect(rehearsal).toMatchObject({ outcome: 'done', fitsWindow: false, timeZone: 'Europe/Berlin' });
    expect(rehearsal.windows.length).toBeGreaterThan(1);
    for (const { startedMs = 0 } of rehearsal.servers) {
      expect(rehearsal.windows.some(({ fromMs, toMs }) => fromMs <= startedMs && startedMs < toMs)).toBe(true);
    }
    expect(startOf(one.definition, startMs - 3_600_000)).toBe(startMs);
  });

  it('has operators’ pods made again by a stand-in, and says so', async () => {
    const one = await fleet({
      workloads: [...someWorkloads, { kind: 'pod', name: 'pg-1', namespace: 'shop', node: 'rack1-01' }],
    });
    const owner = { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster', name: 'pg', uid: 'pg-uid', controller: true };
    const pods = one.snapshot.objects.pods.map((pod) => {
      const metadata = pod['metadata'] as { name: string };
      return metadata.name === 'pg-1' ? { ...pod, metadata: { ...metadata, ownerReferences: [owner] } } : pod;
    });
    const rehearsal = await play({ ...one, snapshot: { ...one.snapshot, objects: { ...one.snapshot.objects, pods } } });
    expect(rehearsal.outcome).toBe('done');
    expect(rehearsal.assumptions.join('\n')).toContain('owners outside the snapshot (Cluster)');
  });

  it('ends when the person interrupts it', async () => {
    const { definition, snapshot } = await fleet();
    const quit = new AbortController();
    const playing = rehearse({
      definition,
      objects: snapshot.objects,
      takenMs: 0,
      faults: [],
      seed: 1,
      startMs,
      signal: quit.signal,
      onProgress: () => quit.abort(new Error('interrupted')),
    });
    await expect(playing).rejects.toThrow('interrupted');
  });
});

describe('the network', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('is never touched by a rehearsal', async () => {
    const net = await import('node:net');
    const opened = vi.spyOn(net.Socket.prototype, 'connect').mockImplementation(() => {
      throw new Error('the network was touched');
    });
    expect(() => connect(9)).toThrow('the network was touched');
    opened.mockClear();
    expect((await playFleet({}, ['rack1-02:reboot'])).outcome).toBe('halted');
    expect(opened).not.toHaveBeenCalled();
  });
});

describe('the effort of a rehearsal', () => {
  it('grows with the fleet, not with its square', async () => {
    const cpuOf = async (servers: number): Promise<number> => {
      const workloads = Array.from({ length: servers }, (_, index) => ({
        kind: 'deployment' as const,
        name: `app-${index}`,
        namespace: 'shop',
        replicas: 8,
        budget: { maxUnavailable: 2 },
      }));
      const one = await fleet({ servers: racks(servers), workloads, plan: { rollout: { maxUnavailable: '10%' } } });
      const before = process.cpuUsage();
      expect((await play(one)).outcome).toBe('done');
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    await cpuOf(6);
    const small = await cpuOf(12);
    const large = await cpuOf(48);
    // Four times as many: the square would be sixteen times the effort.
    expect(large / small).toBeLessThan(10);
  });
});
