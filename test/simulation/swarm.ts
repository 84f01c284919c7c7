/**
 * One seeded run with random faults and a random life around it: everything is drawn from the seed, so that one seed is
 * one story, on every machine.
 */
import { Checker } from './checker.ts';
import { Disturbances } from './disturbances.ts';
import {
  draw,
  drawPlan,
  drawPlaybook,
  drawRebalance,
  drawSchedule,
  drawServers,
  drawWorkloads,
  type Drawn,
} from './draw.ts';
import { plan, Simulation, type Doors, type KillAt } from './harness.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Operations } from '../../src/engine/operations.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';

export interface Story {
  readonly seed: number;
  readonly violations: Checker['violations'];
  readonly looks: Record<string, number>;
  readonly errors: readonly unknown[];
  readonly status: string;
  readonly outcomes: Record<string, number>;
  readonly kills: number;
  /** What happened beside the engine, and how often. */
  readonly disturbances: Record<string, number>;
  /** Pods moved after the last wave. */
  readonly rebalanced: number;
}

const hourMs = 3_600_000;

/** `lie` lets a mutation test put a lie between the checker and the engine. */
export type Lie = (doors: Doors, simulation: Simulation) => Doors;

export async function tell(seed: number, lie: Lie = (doors) => doors): Promise<Story> {
  const drawn = draw(seed);
  const { chance } = drawn;
  const checker = new Checker();
  const simulation: Simulation = simulate(seed, drawn, checker, lie);
  checker.attach(simulation);
  // What is as young as the run counts as moved by it.
  if (drawRebalance(seed)) await simulation.clock.run(() => false, simulation.clock.nowMs() + 3 * 60_000);
  const people = simulation.startConsole('people');
  const runId = await startOrRefuse(simulation, people);
  if (runId === undefined) {
    const { violations, looks } = checker;
    return {
      seed,
      violations,
      looks,
      errors: [],
      status: 'refused',
      outcomes: {},
      kills: 0,
      disturbances: {},
      rebalanced: 0,
    };
  }
  const mortals = await Promise.all(
    Array.from({ length: chance(0.4) ? 2 : 1 }, (_, index) => simulation.startDaemon(`m${index}`, drawKill(drawn))),
  );
  const life = new Disturbances(drawn, checker, people, runId);
  life.begin();
  const isOver = (): boolean => life.isOver && simulation.hasEnded;
  const areDead = (): boolean => mortals.every((daemon) => daemon.isKilled());
  await simulation.clock.run(() => areDead() || isOver(), simulation.clock.nowMs() + 12 * hourMs);
  await simulation.startDaemon('last');
  await simulation.clock.run(isOver, simulation.clock.nowMs() + 48 * hourMs);
  if (chance(0.3)) await useSingleVerbs(simulation, people, drawn);
  await checker.finish();
  const run = await patiently(simulation, () => people.run(runId));
  await compareMemories(simulation, checker, runId);
  const outcomes: Record<string, number> = {};
  for (const { phase } of run.servers) outcomes[phase] = (outcomes[phase] ?? 0) + 1;
  const logged = simulation.log.filter((line) => line.level === 'error');
  return {
    seed,
    violations: checker.violations,
    looks: checker.looks,
    errors: [...logged, ...simulation.wakeUps.failures, ...life.errors],
    status: run.status,
    outcomes,
    kills: mortals.filter((daemon) => daemon.isKilled()).length,
    disturbances: life.counts,
    rebalanced: run.rebalance?.moved ?? 0,
  };
}

/** `undefined`: every server of the story has a blocker from its beginning. */
async function startOrRefuse(simulation: Simulation, people: Operations): Promise<string | undefined> {
  try {
    return await patiently(simulation, async () => (await people.start({ plan: 'weekly', by: 'test' })).runId);
  } catch (error) {
    if (error instanceof MaintenanceError && error.code === 'run/refused') return undefined;
    throw error;
  }
}

function simulate(seed: number, drawn: Drawn, checker: Checker, lie: Lie): Simulation {
  const { chance, random } = drawn;
  const rate = chance(0.5) ? 0 : random.next() * 0.05;
  const schedule = drawSchedule(seed);
  const rebalancing = drawRebalance(seed);
  const servers = drawServers(drawn);
  const simulation: Simulation = new Simulation({
    seed,
    servers: rebalancing?.servers(servers) ?? servers,
    workloads: drawWorkloads(drawn),
    plan: plan({ ...drawPlan(drawn), ...schedule, rebalance: rebalancing?.rebalance }),
    // Hours pass until a window opens.
    ...('schedule' in schedule ? { sweepMs: 60_000 } : {}),
    playbook: drawPlaybook(drawn, rebalancing && true),
    clusterFaults: { faults: { random: new SeededRandom(seed + 9), rate, answerLostRate: rate / 4 } },
    tamper: (daemon, doors) => lie(checker.watch(daemon, doors), simulation),
  });
  Object.assign(simulation.wakeUps.faults, {
    loseShare: chance(0.3) ? 0.1 : 0,
    duplicateShare: chance(0.3) ? 0.1 : 0,
    delayShare: chance(0.3) ? 0.1 : 0,
    delayMs: 20_000,
  });
  return simulation;
}

function drawKill({ chance, between }: Drawn): KillAt | undefined {
  return chance(0.5) ? { call: between(50, 2_000), effect: chance(0.5) ? 'before' : 'after' } : undefined;
}

/** What a daemon has kept in mind all the while is what the journal tells somebody who has just come. */
async function compareMemories(simulation: Simulation, checker: Checker, runId: string): Promise<void> {
  const told = await patiently(simulation, () => simulation.startConsole('fresh').run(runId));
  for (const daemon of simulation.daemons.filter((candidate) => !candidate.isKilled())) {
    const asked = patiently(simulation, () => daemon.operations.run(runId));
    // Its end may have been drawn for this very call: then it has no answer any more.
    const kept = await asked.catch((error: unknown) => {
      if (!daemon.isKilled()) throw error;
    });
    if (!kept) continue;
    const isSame = JSON.stringify(kept) === JSON.stringify(told);
    checker.look(
      '10 journal alone',
      isSame,
      () => `${daemon.name} remembers of ${runId} what the journal does not say`,
    );
  }
}

/** `pitcrew evacuate` and `pitcrew return`, after everything else. */
async function useSingleVerbs(simulation: Simulation, people: Operations, { between }: Drawn): Promise<void> {
  const { inventory, clock } = simulation;
  const server = inventory[between(0, inventory.length - 1)]?.name ?? '';
  for (const verb of ['evacuate', 'returnServer'] as const) {
    try {
      await patiently(simulation, () => people[verb](server, 'eve'));
    } catch (error) {
      // Nothing of ours is there to return; or the run was made, and only the answer was lost.
      if (!(error instanceof MaintenanceError) || error.code !== 'run/refused') throw error;
    }
    await clock.run(() => simulation.hasEnded, clock.nowMs() + 12 * hourMs);
  }
}

/** Cluster and journal may be out of reach just then; a person would ask again. */
async function patiently<T>(simulation: Simulation, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await simulation.settle(ask());
    } catch (error) {
      const isPassing = error instanceof MaintenanceError && error.disposition !== 'halt';
      if (!isPassing || tries >= 50) throw error;
    }
  }
}

/** Stories one after the other, and what they come to. */
export async function tellMany(
  first: number,
  count: number,
): Promise<{ summary: string; bad: object[]; looks: Record<string, number> }> {
  const ends: Record<string, number> = {};
  const looks: Record<string, number> = {};
  const disturbances: Record<string, number> = {};
  const bad: object[] = [];
  let kills = 0;
  let rebalanced = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const story = await tell(seed);
    ends[story.status] = (ends[story.status] ?? 0) + 1;
    addTo(looks, story.looks);
    addTo(disturbances, story.disturbances);
    kills += story.kills;
    rebalanced += story.rebalanced;
    const { violations, errors } = story;
    if (violations.length > 0 || errors.length > 0) bad.push({ seed, violations, errors });
  }
  const summary = `SEED=${first}…${first + count - 1} ${JSON.stringify({ ends, kills, rebalanced, looks, disturbances })}`;
  return { summary, bad, looks };
}

function addTo(sums: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, amount] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + amount;
}
