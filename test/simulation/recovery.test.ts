/**
 * Invariant 10: the journal alone is enough to go on. A daemon is killed at every single entry of a run's journal, once
 * just before the entry is written (what it tells of is done, and nobody wrote it down) and once just after it (it is
 * written down, and nothing is done yet); another daemon takes over and reaches the same end.
 */
import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { mustHave, plan, playbook, Simulation, type KillAt } from './harness.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

const workloads: WorldWorkload[] = [
  { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 3, budget: { minAvailable: 2 } },
  { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 2, volumeSize: '1Gi' },
];

function simulate(checker: Checker): Simulation {
  const simulation = new Simulation({
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
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  return simulation;
}

interface End {
  readonly status: string;
  readonly servers: readonly { readonly name: string; readonly phase: string }[];
  readonly boots: Record<string, number>;
  readonly powerCycles: Record<string, number>;
}

async function runWith(killAt: KillAt | undefined): Promise<{ end: End; killed: boolean; entries: number }> {
  const checker = new Checker();
  const simulation = simulate(checker);
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
  expect(checker.violations).toEqual([]);
  expect(simulation.log.filter((line) => line.level === 'error')).toEqual([]);
  const machines = [...simulation.world.machines.values()];
  const end = {
    status: run.status,
    servers: run.servers.map(({ name, phase }) => ({ name, phase })),
    boots: Object.fromEntries(machines.map((machine) => [machine.name, machine.boots])),
    powerCycles: Object.fromEntries(machines.map((machine) => [machine.name, machine.powerCycles])),
  };
  return { end, killed: first.isKilled(), entries: simulation.journal.snapshot().length };
}

describe('a daemon that is killed at any entry of the journal', () => {
  it(
    'leaves a run that reaches the same end, with no second boot and no second power cycle',
    { timeout: 300_000 },
    async () => {
      const whole = await runWith(undefined);
      expect(whole.end).toEqual({
        status: 'done',
        servers: [
          { name: 'a', phase: 'done' },
          { name: 'b', phase: 'done' },
        ],
        boots: { a: 1, b: 1, c: 0 },
        powerCycles: { a: 0, b: 1, c: 0 },
      });
      expect(whole.entries).toBeGreaterThan(50);
      let kills = 0;
      for (const effect of ['before', 'after'] as const) {
        for (let call = 1; ; call += 1) {
          const { end, killed } = await runWith({ method: 'append', call, effect });
          if (!killed) break;
          kills += 1;
          expect({ effect, call, ...end }).toEqual({ effect, call, ...whole.end });
        }
      }
      console.log(`killed at ${kills} places of a journal with ${whole.entries} entries`);
      expect(kills).toBeGreaterThan(100);
    },
  );
});
