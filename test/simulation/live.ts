/**
 * One run whose pods move alive by Paguro, in which a daemon may be killed at one call and another takes over; judged by
 * what became of the memories.
 */
import { expect } from 'vitest';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { MigratorFault } from '../../src/simulator/migrators/migrator.ts';
import { SimulatedPaguro } from '../../src/simulator/migrators/paguro.ts';
import { isPodReady, type PodObject } from '../../src/simulator/kubernetes/objects.ts';
import { Checker, type Violation } from './checker.ts';
import { mustHave, plan, playbook, Simulation, type KillAt } from './harness.ts';

export interface LiveStory {
  readonly status: string;
  readonly phases: readonly string[];
  readonly boots: Readonly<Record<string, number>>;
  /** How many of the pods' memories have come through the run. */
  readonly kept: number;
  readonly memories: number;
  readonly evictions: number;
  /** The most that were seen at once: copies of one memory, migrations from one server, and in all. */
  readonly most: { readonly copies: number; readonly perServer: number; readonly inAll: number };
  readonly committed: number;
  readonly killed: boolean;
  readonly entries: number;
  readonly violations: readonly Violation[];
  readonly errors: readonly unknown[];
}

const labels = { 'paguro.dev/migratable': 'true' };
const owners = [
  // Wants every pod, so no eviction is ever allowed: alive, or not at all.
  { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 4, labels, budget: { minAvailable: 4 } },
  { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 2, labels },
] as const;

interface LiveOptions {
  readonly killAt?: KillAt;
  readonly faultOf?: (pod: string) => MigratorFault;
  readonly rollout?: object;
  readonly rules?: readonly object[];
  readonly prefer?: readonly string[];
}

export async function tellLive(options: LiveOptions = {}): Promise<LiveStory> {
  const checker = new Checker();
  const simulation: Simulation = new Simulation({
    seed: 11,
    servers: ['a', 'b', 'c', 'd'].map((name) => ({
      name,
      bootMs: 40_000,
      shutdownMs: 3_000,
      ...(name >= 'c' && { labels: { role: 'spare' } }),
    })),
    workloads: owners,
    plan: plan({
      rollout: options.rollout ?? { maxUnavailable: 1 },
      evacuation: {
        prefer: options.prefer ?? ['live'],
        rules: options.rules ?? [{ match: { namespaces: ['shop'] }, restart: 'never' }],
      },
    }),
    playbook: playbook(),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  const { api } = simulation.world;
  const paguro = new SimulatedPaguro(simulation.world, { faultOf: options.faultOf });
  checker.migrators.push(paguro);
  const most = { copies: 0, perServer: 0, inAll: 0 };
  const before = podsOf(simulation);
  const origins = before.map((pod) => pod.metadata.uid);
  api.store.subscribe(() => {
    const nodes = paguro.nodesUnderWay();
    most.inAll = Math.max(most.inAll, nodes.length);
    for (const node of nodes) {
      most.perServer = Math.max(most.perServer, nodes.filter((other) => other === node).length);
    }
    for (const origin of origins) {
      most.copies = Math.max(most.copies, paguro.memories.runningCopies(origin).length);
    }
  });
  const first = await simulation.startDaemon('first', options.killAt);
  void first.operations.start({ plan: 'weekly', by: 'test' }).catch(() => undefined);
  await simulation.clock.run(() => first.isKilled() || simulation.hasEnded);
  const second = await simulation.startDaemon('second');
  if ((await simulation.journal.runIds()).length === 0) await simulation.startRun(second);
  if (!simulation.hasEnded) await simulation.runToEnd();
  const run = await simulation.settle(second.operations.run(mustHave((await simulation.journal.runIds())[0])));
  await checker.finish();
  const after = podsOf(simulation).filter(isPodReady);
  const alive = new Set(after.map((pod) => paguro.memories.originOf(pod.metadata.uid)));
  return {
    status: run.status,
    phases: run.servers.map(({ phase }) => phase),
    boots: Object.fromEntries([...simulation.world.machines.values()].map(({ name, boots }) => [name, boots])),
    kept: origins.filter((origin) => alive.has(origin)).length,
    memories: origins.length,
    evictions: [...simulation.world.evictionsByUid.values()].reduce((sum, count) => sum + count, 0),
    most,
    committed: paguro.committed,
    killed: first.isKilled(),
    entries: simulation.journal.snapshot().length,
    violations: checker.violations,
    errors: simulation.log.filter((line) => line.level === 'error'),
  };
}

function podsOf({ world }: Simulation): PodObject[] {
  return world.api.store.list(kinds.pods).filter((pod) => pod.metadata.namespace === 'shop');
}

/** Kills a daemon at every `stride`-th entry of the journal, just before it is written and just after; counts the kills. */
export async function killAlong(stride: number): Promise<number> {
  const whole = await tellLive();
  let kills = 0;
  for (const effect of ['before', 'after'] as const) {
    for (let call = 1; ; call += stride) {
      const story = await tellLive({ killAt: { method: 'append', call, effect } });
      if (!story.killed) break;
      kills += 1;
      const { status, phases, boots, kept, evictions, most, violations, errors } = story;
      expect({ effect, call, status, phases, boots, kept, evictions, most, violations, errors }).toEqual({
        effect,
        call,
        status: whole.status,
        phases: whole.phases,
        boots: whole.boots,
        kept: 6,
        evictions: 0,
        violations: [],
        errors: [],
        most: { copies: 1, perServer: 1, inAll: 1 },
      });
    }
  }
  console.log(
    `killed at ${kills} places of a journal with ${whole.entries} entries, ${whole.committed} commits in each run`,
  );
  return kills;
}
