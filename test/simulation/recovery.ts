/**
 * One small run in which a daemon is killed at one call and another one takes over, and what the run has come to in the end.
 * `Whole` is what it comes to when nobody is killed.
 */
import { Checker, type Violation } from './checker.ts';
import { mustHave, plan, playbook, Simulation, type KillAt } from './harness.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { Lie } from './swarm.ts';

const workloads: WorldWorkload[] = [
  { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 3, budget: { minAvailable: 2 } },
  { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 2, volumeSize: '1Gi' },
];

function simulate(checker: Checker, lie: Lie): Simulation {
  const simulation: Simulation = new Simulation({
    seed: 7,
    servers: [
      { name: 'a', bootMs: 40_000, shutdownMs: 3_000 },
      // Hangs on the way down and has to be switched off, by a BMC that ignores the first request.
      { name: 'b', bootMs: 40_000, shutdownMs: 3_000, faults: { shutdownHangs: true, bmcIgnoresOffTimes: 1 } },
      { name: 'c', bootMs: 1, shutdownMs: 1, labels: { role: 'spare' } },
    ],
    workloads,
    plan: plan({ rollout: { maxUnavailable: 1 } }),
    playbook: playbook({
      service: [
        { ssh: { run: 'apt-get -y install linux-image-amd64' } },
        { reboot: { timeout: '2m', expect: { kernel: '${newest}' } } },
      ],
    }),
    tamper: (daemon, doors) => lie(checker.watch(daemon, doors), simulation),
  });
  checker.attach(simulation);
  return simulation;
}

export interface End {
  readonly status: string;
  readonly servers: readonly { readonly name: string; readonly phase: string }[];
  readonly boots: Record<string, number>;
  readonly powerCycles: Record<string, number>;
}

export interface Recovery {
  readonly end: End;
  readonly killed: boolean;
  readonly entries: number;
  readonly violations: readonly Violation[];
  readonly errors: readonly unknown[];
}

/** With `whole`, an end that differs from it is a violation of number 10. */
export async function recoverAt(
  killAt: KillAt | undefined,
  whole?: End,
  lie: Lie = (doors) => doors,
): Promise<Recovery> {
  const checker = new Checker();
  const simulation = simulate(checker, lie);
  const first = await simulation.startDaemon('first', killAt);
  // The start request itself may be what is cut off; then the person asks again.
  void first.operations.start({ plan: 'weekly', by: 'test' }).catch(() => undefined);
  await simulation.clock.run(() => first.isKilled() || simulation.hasEnded);
  const second = await simulation.startDaemon('second');
  if ((await simulation.journal.runIds()).length === 0) await simulation.startRun(second);
  if (!simulation.hasEnded) await simulation.runToEnd();
  const runId = mustHave((await simulation.journal.runIds())[0]);
  const run = await simulation.settle(second.operations.run(runId));
  await checker.finish();
  const machines = [...simulation.world.machines.values()];
  const end = {
    status: run.status,
    servers: run.servers.map(({ name, phase }) => ({ name, phase })),
    boots: Object.fromEntries(machines.map((machine) => [machine.name, machine.boots])),
    powerCycles: Object.fromEntries(machines.map((machine) => [machine.name, machine.powerCycles])),
  };
  if (whole) {
    const text = (): string => `${JSON.stringify(killAt)}: ${JSON.stringify(end)}`;
    checker.look('10 journal alone', JSON.stringify(end) === JSON.stringify(whole), text);
  }
  return {
    end,
    killed: first.isKilled(),
    entries: simulation.journal.snapshot().length,
    violations: checker.violations,
    errors: simulation.log.filter((line) => line.level === 'error'),
  };
}
