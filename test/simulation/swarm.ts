/**
 * One seeded run with random faults: the shape of the fleet, the plan and the fault rates themselves are all drawn from
 * the seed, so that one seed is one story, on every machine.
 */
import { Checker } from './checker.ts';
import { plan, playbook, Simulation, type Daemon, type Doors, type KillAt } from './harness.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import type { MachineFaults } from '../../src/simulator/machine.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

export interface Story {
  readonly seed: number;
  readonly violations: Checker['violations'];
  readonly looks: Record<string, number>;
  readonly errors: readonly unknown[];
  readonly status: string;
  readonly outcomes: Record<string, number>;
  readonly kills: number;
}

interface Drawn {
  readonly random: SeededRandom;
  readonly chance: (share: number) => boolean;
  readonly between: (least: number, most: number) => number;
}

function draw(seed: number): Drawn {
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

function drawServers(drawn: Drawn): WorldServer[] {
  const { chance, between } = drawn;
  const faultShare = chance(0.3) ? 0 : drawn.random.next() * 0.4;
  return Array.from({ length: between(2, 6) }, (_, index) => ({
    name: `s${index + 1}`,
    ...(chance(0.7) ? { zone: `z${between(1, 3)}` } : {}),
    bootMs: between(5, 120) * 1_000,
    shutdownMs: between(1, 10) * 1_000,
    faults: drawFaults(drawn, faultShare),
  }));
}

function drawWorkloads(drawn: Drawn): WorldWorkload[] {
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

function drawPlan(drawn: Drawn): Record<string, unknown> {
  const { chance, between } = drawn;
  return {
    rollout: {
      maxUnavailable: chance(0.3) ? `${between(1, 60)}%` : between(1, 3),
      ...(chance(0.5) ? { failureDomain: 'topology.kubernetes.io/zone' } : {}),
      ...(chance(0.5) ? { waves: [{ servers: 1, soak: '1m' }, { servers: '100%' }] } : {}),
      haltAfter: { failures: between(1, 3) },
    },
    evacuation: {
      prefer: chance(0.3) ? ['evict'] : ['surge', 'evict'],
      localData: 'lose',
      timeout: '10m',
      ...(chance(0.3) ? { barePods: 'lose' } : {}),
    },
  };
}

/** `between` lets a mutation test put a lie between the checker and the engine. */
export async function tell(seed: number, lie: (doors: Doors) => Doors = (doors) => doors): Promise<Story> {
  const drawn = draw(seed);
  const { chance, between } = drawn;
  const checker = new Checker();
  const apiFaultShare = chance(0.5) ? 0 : drawn.random.next() * 0.05;
  const simulation = new Simulation({
    seed,
    servers: drawServers(drawn),
    workloads: drawWorkloads(drawn),
    plan: plan(drawPlan(drawn)),
    playbook: playbook({
      service: [
        { ssh: { run: 'apt-get -y install linux-image-amd64' } },
        { reboot: { timeout: '4m', expect: { kernel: '${newest}' } } },
      ],
    }),
    clusterFaults: { faults: { random: new SeededRandom(seed + 9), rate: apiFaultShare } },
    tamper: (daemon, doors) => lie(checker.watch(daemon, doors)),
  });
  checker.attach(simulation);
  Object.assign(simulation.wakeUps.faults, {
    loseShare: chance(0.3) ? 0.1 : 0,
    duplicateShare: chance(0.3) ? 0.1 : 0,
    delayShare: chance(0.3) ? 0.1 : 0,
    delayMs: 20_000,
  });
  const daemons = chance(0.4) ? 2 : 1;
  const killAt = (): KillAt | undefined =>
    chance(0.5) ? { call: between(50, 2_000), effect: chance(0.5) ? 'before' : 'after' } : undefined;
  let last: Daemon = await simulation.startDaemon('d0');
  const runId = await startPatiently(simulation, last);
  const mortals = await Promise.all(
    Array.from({ length: daemons }, (_, index) => simulation.startDaemon(`m${index}`, killAt())),
  );
  last.kill();
  await simulation.clock.run(
    () => mortals.every((daemon) => daemon.isKilled()) || simulation.hasEnded,
    simulation.clock.nowMs() + 12 * 3_600_000,
  );
  last = await simulation.startDaemon('last');
  if (!simulation.hasEnded) await simulation.runToEnd();
  await checker.finish();
  const run = await simulation.settle(last.operations.run(runId));
  const outcomes: Record<string, number> = {};
  for (const { phase } of run.servers) outcomes[phase] = (outcomes[phase] ?? 0) + 1;
  return {
    seed,
    violations: checker.violations,
    looks: checker.looks,
    errors: [...simulation.log.filter((line) => line.level === 'error'), ...simulation.wakeUps.failures],
    status: run.status,
    outcomes,
    kills: mortals.filter((daemon) => daemon.isKilled()).length,
  };
}

/** The cluster may be out of reach just then; a person would ask again. */
async function startPatiently(simulation: Simulation, daemon: Daemon): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await simulation.startRun(daemon);
    } catch (error) {
      if (!(error instanceof MaintenanceError) || tries >= 50) throw error;
    }
  }
}
