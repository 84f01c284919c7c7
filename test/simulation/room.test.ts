/** Room for pods that move alive: they take it where they go to from the moment in which they begin. */
import { describe, expect, it } from 'vitest';
import { SimulatedPaguro } from '../../src/simulator/migrators/paguro.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import { Checker } from './checker.ts';
import { plan, playbook, Simulation } from './harness.ts';

const labels = { 'paguro.dev/migratable': 'true' };
const large = (name: string): WorldWorkload => ({
  kind: 'statefulSet',
  name,
  namespace: 'shop',
  replicas: 1,
  cpu: '6',
  labels,
});

/** `a` and `b` are emptied together, each of one pod; the spare servers have room for one of them each. */
async function emptyTwo(spares: readonly string[]): Promise<{ targets: string[]; phases: string[]; kept: number }> {
  const checker = new Checker();
  const simulation: Simulation = new Simulation({
    seed: 7,
    servers: ['a', 'b', ...spares].map((name) => ({
      name,
      cpu: '10',
      bootMs: 40_000,
      shutdownMs: 3_000,
      ...(spares.includes(name) && { labels: { role: 'spare' } }),
    })),
    workloads: [large('one'), large('two')],
    plan: plan({
      rollout: { maxUnavailable: 2, maxParallel: 2 },
      evacuation: { prefer: ['live', 'evict'], limits: { perTarget: 8 } },
    }),
    playbook: playbook(),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  const paguro = new SimulatedPaguro(simulation.world, { copyMs: 60_000 });
  checker.migrators.push(paguro);
  const daemon = await simulation.startDaemon('first');
  const runId = await simulation.startRun(daemon);
  await simulation.runToEnd();
  const run = await simulation.settle(daemon.operations.run(runId));
  await checker.finish();
  expect(checker.violations).toEqual([]);
  const targets = simulation.journal
    .snapshot()
    .flatMap(({ entry: { event } }) => (event.kind === 'moveStarted' ? [event.target] : []));
  return { targets, phases: run.servers.map(({ phase }) => phase), kept: paguro.committed };
}

describe('two servers that are emptied at once', () => {
  it('send no two pods to a server that has room for one of them', async () => {
    expect(await emptyTwo(['c', 'd'])).toEqual({ targets: ['c', 'd'], phases: ['done', 'done'], kept: 2 });
  });
});
