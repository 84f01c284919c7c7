/** Draws the shape of a story from its seed: the fleet, what runs on it, the plan and the playbook. It starts nothing. */
import { playbook } from './harness.ts';
import type { Playbook } from '../../src/spec/playbook.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import type { MachineFaults } from '../../src/simulator/machine.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

export interface Drawn {
  readonly random: SeededRandom;
  readonly chance: (share: number) => boolean;
  /** Both ends included. */
  readonly between: (least: number, most: number) => number;
}

export function draw(seed: number): Drawn {
  const random = new SeededRandom(seed);
  return {
    random,
    chance: (share) => random.next() < share,
    between: (least, most) => least + Math.floor(random.next() * (most - least + 1)),
  };
}

function drawFaults(drawn: Drawn, share: number): Partial<MachineFaults> {
  const { chance, between } = drawn;
  return {
    ...(chance(share) ? { bmcBusyTimes: between(1, 4) } : {}),
    ...(chance(share) ? { bmcIgnoresOffTimes: between(1, 3) } : {}),
    ...(chance(share) ? { shutdownHangs: true } : {}),
    ...(chance(share / 3) ? { neverBoots: true } : {}),
    ...(chance(share / 3) ? { keepsBootId: true } : {}),
    ...(chance(share / 3) ? { bootsOldKernel: true } : {}),
    ...(chance(share / 4) ? { bmcSilent: true } : {}),
    ...(chance(share / 4) ? { sshHangs: true } : {}),
  };
}

export function drawServers(drawn: Drawn): WorldServer[] {
  const { chance, between } = drawn;
  const faultShare = chance(0.3) ? 0 : drawn.random.next() * 0.4;
  return Array.from({ length: between(2, 6) }, (_, index) => ({
    name: `s${index + 1}`,
    ...(chance(0.7) ? { zone: `z${between(1, 3)}` } : {}),
    ...(chance(0.1) ? { kernel: '6.12.94-amd64' } : {}),
    bootMs: between(5, 120) * 1_000,
    shutdownMs: between(1, 10) * 1_000,
    faults: drawFaults(drawn, faultShare),
  }));
}

export function drawWorkloads(drawn: Drawn): WorldWorkload[] {
  const { chance, between } = drawn;
  const replicas = between(1, 6);
  const workloads: WorldWorkload[] = [
    {
      kind: 'deployment',
      name: 'web',
      replicas,
      readyAfter: `${between(1, 20)}s`,
      strategy: chance(0.2) ? 'Recreate' : 'RollingUpdate',
      // Sometimes a budget that can never be met.
      ...(chance(0.6) ? { budget: { minAvailable: Math.max(0, replicas - between(0, 1)) } } : {}),
    },
    { kind: 'daemonSet', name: 'agent' },
  ];
  if (chance(0.7)) {
    workloads.push({ kind: 'statefulSet', name: 'db', replicas: between(1, 3), volumeSize: '1Gi', readyAfter: '5s' });
  }
  if (chance(0.1)) workloads.push({ kind: 'pod', name: 'lonely' });
  return workloads;
}

export function drawPlan(drawn: Drawn): Record<string, unknown> {
  const { chance, between } = drawn;
  const first = { servers: 1, soak: '1m', ...(chance(0.4) ? { approval: 'required' } : {}) };
  return {
    rollout: {
      maxUnavailable: chance(0.3) ? `${between(1, 60)}%` : between(1, 3),
      ...(chance(0.5) ? { failureDomain: 'topology.kubernetes.io/zone' } : {}),
      ...(chance(0.5) ? { waves: [first, { servers: '100%' }] } : {}),
      haltAfter: { failures: between(1, 3) },
    },
    evacuation: {
      prefer: chance(0.3) ? ['evict'] : ['surge', 'evict'],
      localData: 'lose',
      timeout: '10m',
      ...(chance(0.6) ? { barePods: 'lose' } : {}),
    },
  };
}

export function drawPlaybook({ chance }: Drawn, isProbed = chance(0.4)): Playbook {
  const probe = 'apt-get -s install linux-image-amd64 | grep -q ^Inst && exit 0; exit 1';
  return playbook({
    ...(isProbed ? { needed: [{ ssh: { run: probe, needed: 'exit 0' } }] } : {}),
    service: [
      { ssh: { run: 'apt-get -y install linux-image-amd64' } },
      { reboot: { timeout: '4m', expect: { kernel: '${newest}' } } },
    ],
  });
}

/** From a chance of its own, so that the stories of all other seeds stay what they are. */
export function drawSchedule(seed: number): Record<string, unknown> {
  const { chance, between } = draw(seed + 5_005);
  if (!chance(0.2)) return {};
  const windows = [
    { opens: `${between(0, 59)} */${between(3, 6)} * * *`, lasts: `${between(90, 170)}m`, timeZone: 'Europe/Berlin' },
  ];
  const freeze = { from: '2026-11-23', to: '2026-11-23', timeZone: 'Europe/Berlin', reason: 'freeze' };
  return { schedule: { windows, estimate: `${between(10, 60)}m`, ...(chance(0.3) ? { blackouts: [freeze] } : {}) } };
}

export interface DrawnRebalance {
  readonly rebalance: Record<string, unknown>;
  /** Small servers, so that a few pods make a difference, and some that are up to date and keep their pods. */
  readonly servers: (servers: readonly WorldServer[]) => WorldServer[];
}

/** As `drawSchedule`. Every fifth story ends with a rebalancing. */
export function drawRebalance(seed: number): DrawnRebalance | undefined {
  const { chance, between } = draw(seed + 6_006);
  if (!chance(0.2)) return undefined;
  return {
    rebalance: { policy: chance(0.9) ? 'spread' : 'return', maxMoves: between(1, 5), timeout: `${between(1, 30)}m` },
    servers: (servers) =>
      servers.map((server) => ({ ...server, cpu: '2', ...(chance(0.5) ? { kernel: '6.12.94-amd64' } : {}) })),
  };
}
