/** A pod that comes back from its move under another uid is still that pod: what was tried with it counts on, whoever took it back. */
import { describe, expect, it } from 'vitest';
import { Memories } from '../../src/simulator/migrators/memories.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import { Checker } from './checker.ts';
import { mustHave, plan, playbook, Simulation, type KillAt } from './harness.ts';
import { HomecomingMover, type Homeward } from './homecoming.ts';

const minuteMs = 60_000;
const probe = 'apt-get -s install linux-image-amd64 | grep -q ^Inst && exit 0; exit 1';

interface Tale {
  readonly killed: boolean;
  readonly phases: readonly string[];
  /** Of each pod, by what it was when the run began: how often a move of it by the mover has begun. */
  readonly begun: readonly number[];
  readonly reasons: ReadonlySet<string>;
  readonly violations: readonly unknown[];
}

interface Shape {
  readonly way: Homeward;
  readonly workloads: readonly WorldWorkload[];
  readonly spec: Record<string, unknown>;
  /** Installed only now, for the rebalancing. */
  readonly isLate?: boolean;
  readonly killAt?: KillAt | undefined;
}

async function tell({ way, workloads, spec, isLate = false, killAt }: Shape): Promise<Tale> {
  const checker = new Checker();
  const found: { memories?: Memories } = {};
  const simulation: Simulation = new Simulation({
    seed: 5,
    servers: ['a', 'b', 'c', 'd'].map((name) => ({
      name,
      cpu: '10',
      bootMs: minuteMs,
      shutdownMs: 5_000,
      // Up to date, so that `d` alone is emptied.
      ...(name !== 'd' && { kernel: '6.12.94-amd64' }),
    })),
    workloads,
    plan: plan(spec),
    playbook: playbook({ needed: [{ ssh: { run: probe, needed: 'exit 0' } }] }),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
    movers: (world, standard) => {
      const memories = (found.memories ??= new Memories(world.api.store));
      const isThere = (): boolean => !isLate || kindsOf(simulation).includes('rebalanceStarted');
      return { ...standard, criu: new HomecomingMover(world, memories, way, isThere) };
    },
  });
  checker.attach(simulation);
  // What is as young as the run counts as moved by it.
  await simulation.clock.run(() => false, simulation.clock.nowMs() + 10 * minuteMs);
  const people = simulation.startConsole('people');
  const first = await simulation.startDaemon('first', killAt);
  const runId = await simulation.startRun({ operations: people });
  await simulation.clock.run(() => first.isKilled() || simulation.hasEnded, simulation.clock.nowMs() + 600 * minuteMs);
  await simulation.startDaemon('second');
  if (!simulation.hasEnded) await simulation.runToEnd();
  const run = await simulation.settle(people.run(runId));
  await checker.finish();
  const moves = movesOf(simulation);
  const origins = moves.begun.map((uid) => mustHave(found.memories).originOf(uid));
  return {
    killed: first.isKilled(),
    phases: run.servers.map(({ phase }) => phase),
    begun: [...Map.groupBy(origins, (uid) => uid).values()].map(({ length }) => length),
    reasons: new Set(moves.reasons),
    violations: checker.violations,
  };
}

function kindsOf({ journal }: Simulation): string[] {
  return journal.snapshot().map(({ entry }) => entry.event.kind);
}

function movesOf({ journal }: Simulation): { begun: string[]; reasons: string[] } {
  const begun: string[] = [];
  const reasons: string[] = [];
  for (const { entry } of journal.snapshot()) {
    const { event } = entry;
    const move =
      event.kind === 'rebalanceMoveStarted' ? event.move : event.kind === 'rebalanceMoveChanged' ? event.change : event;
    if (move.kind === 'moveStarted' && move.mover === 'criu') begun.push(move.pod.uid);
    if (move.kind === 'moveFinished' && move.because !== '') reasons.push(move.because);
  }
  return { begun, reasons };
}

const web: WorldWorkload = { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 8, cpu: '1' };
const db: WorldWorkload = { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 4, cpu: '1' };
const alive = { workloads: [web, db], spec: { evacuation: { prefer: ['live'] } } };

describe('a pod that comes back from its move under another uid', () => {
  it.each<[string, Homeward, string]>([
    ['by itself', 'itself', 'no room'],
    ['given up because it took too long', 'copying', 'given up after 60 s; its connections are gone'],
  ])('%s, is tried twice and then left where it is', async (_, way, because) => {
    const tale = await tell({ ...alive, way });
    expect(tale.violations).toEqual([]);
    expect(tale.phases).toEqual(['done', 'done', 'done', 'undone']);
    expect(tale.begun.length).toBeGreaterThan(1);
    expect(new Set(tale.begun)).toEqual(new Set([2]));
    expect([...tale.reasons]).toEqual([because]);
  });

  it('also where the daemon dies at any moment, on the way back or after it', async () => {
    let kills = 0;
    for (const way of ['itself', 'copying'] as const) {
      for (const effect of ['before', 'after'] as const) {
        for (let call = 1; ; call += 13) {
          const tale = await tell({ ...alive, way, killAt: { method: 'append', call, effect } });
          if (!tale.killed) break;
          kills += 1;
          const { phases, begun, violations } = tale;
          const ends = ['done', 'done', 'done', 'undone'];
          expect({ way, effect, call, phases, violations }).toEqual({
            way,
            effect,
            call,
            phases: ends,
            violations: [],
          });
          expect(Math.max(...begun)).toBe(2);
        }
      }
    }
    expect(kills).toBeGreaterThan(8);
  });

  it('called back from a rebalancing, is not moved by it once more, although it has another name as well', async () => {
    const spec = {
      evacuation: { prefer: ['live', 'surge', 'evict'], localData: 'lose' },
      rebalance: { policy: 'spread', maxMoves: 20 },
    };
    const tale = await tell({ way: 'queued', workloads: [web], spec, isLate: true });
    expect(tale.violations).toEqual([]);
    expect(tale.phases).toEqual(['done', 'done', 'done', 'done']);
    expect(tale.begun.length).toBeGreaterThan(1);
    expect(new Set(tale.begun)).toEqual(new Set([1]));
    expect([...tale.reasons]).toEqual(['its turn; its connections are gone']);
  });
});
