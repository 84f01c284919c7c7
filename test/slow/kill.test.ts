/**
 * The daemon is killed (`kill -9`) at twenty random moments of four runs and started again each time, over the real
 * protocols. Every run reaches the same end, and nothing happens twice.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, type TestContext } from 'vitest';
import { isRunning } from '../../src/adapters/system/processes.ts';
import type { RunView } from '../../src/workflow/run-view.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import type { Daemon } from './daemon.ts';
import { Installation, planName, quickServers, runEnded } from './installation.ts';

const seed = Number(process.env['SEED'] ?? 20_261_122);
const killsPerRun = 5;
/** No run is shorter: the server that hangs needs two rungs of the ladder in vain, each of this length. */
const rungMs = 40_000;

interface Killed {
  readonly atMs: number;
  /** What the servers were at, as the journal said it last. */
  readonly phases: readonly string[];
}

interface Moment {
  /** Not before this time after the start of the run. */
  readonly atMs: number;
  /** And not before so many entries were written into the journal since the daemon is back: it is at work then. */
  readonly appends: number;
}

/** Two runs are killed at any time of theirs, two by their progress: between an intent and its effect, say. */
function drawMoments(random: SeededRandom, byProgress: boolean): Moment[] {
  if (byProgress) {
    return Array.from({ length: killsPerRun }, () => ({ atMs: 0, appends: 1 + Math.floor(random.next() * 20) }));
  }
  const times = Array.from({ length: killsPerRun }, () => 500 + random.next() * rungMs * 2).sort((a, b) => a - b);
  return times.map((atMs) => ({ atMs, appends: 0 }));
}

async function untilMoment(installation: Installation, random: SeededRandom, startMs: number, moment: Moment) {
  await sleep(Math.max(0, startMs + moment.atMs - performance.now()));
  if (moment.appends === 0) return;
  const redis = await installation.redis();
  const isReached = Promise.withResolvers<void>();
  let appends = 0;
  redis.on('message', () => {
    appends += 1;
    if (appends >= moment.appends) isReached.resolve();
  });
  await redis.subscribe('pitcrew:appended');
  // A server that hangs may be all that is left to wait for; then nothing is written for a long time.
  await Promise.race([isReached.promise, sleep(25_000)]);
  await sleep(random.next() * 60);
  redis.disconnect();
}

async function redisPid(installation: Installation): Promise<number> {
  return Number(await readFile(path.join(installation.dataOf(), 'redis', 'redis.pid'), 'utf8'));
}

async function phasesOf(daemon: Daemon, runId: string): Promise<string[]> {
  const view: RunView = await (await daemon.client()).run(runId);
  return view.servers.map(({ name, phase }) => `${name} ${phase}`);
}

async function runWithKills(context: TestContext, runSeed: number, byProgress: boolean): Promise<Killed[]> {
  const random = new SeededRandom(runSeed);
  const installation = await Installation.for(context, {
    // Hangs on its way down, and then its BMC takes the first "off" and does nothing: the ladder to its end.
    servers: quickServers(4, { 'node-1': { faults: { shutdownHangs: true, bmcIgnoresOffTimes: 1 } } }),
    rungTimeout: `${rungMs / 1_000}s`,
    seed: runSeed,
  });
  let daemon = await installation.startDaemon();
  const { runId } = await (await daemon.client()).start(planName);
  const startMs = performance.now();
  const pid = await redisPid(installation);
  const killed: Killed[] = [];
  for (const moment of drawMoments(random, byProgress)) {
    await untilMoment(installation, random, startMs, moment);
    const phases = await phasesOf(daemon, runId);
    await daemon.kill();
    killed.push({ atMs: performance.now() - startMs, phases });
    expect(isRunning(pid), 'the daemon’s Redis outlives it').toBe(true);
    daemon = await installation.startDaemon();
    expect(await redisPid(installation), 'the new daemon takes the Redis over').toBe(pid);
  }
  const view = await runEnded(await daemon.client(), runId, 180_000);
  expect(view).toMatchObject({ status: 'done', counts: { total: 4, done: 4, failed: 0 } });
  expectNothingTwice(installation);
  console.log(`SEED=${runSeed}: run done after ${Math.round((performance.now() - startMs) / 1_000)} s`);
  for (const { atMs, phases } of killed)
    console.log(`  killed at ${(atMs / 1_000).toFixed(1)} s: ${phases.join(' · ')}`);
  await installation.stop();
  return killed;
}

function expectNothingTwice(installation: Installation): void {
  const traces = installation.traces();
  expect(traces.boots).toEqual({ 'node-1': 1, 'node-2': 1, 'node-3': 1, 'node-4': 1 });
  expect(traces.powerCycles).toEqual({ 'node-1': 1, 'node-2': 0, 'node-3': 0, 'node-4': 0 });
  expect(traces.cordonedNow).toEqual([]);
  const once = ['cordoned', 'uncordoned'];
  expect(traces.cordons).toEqual({ 'node-1': once, 'node-2': once, 'node-3': once, 'node-4': once });
  expect(traces.evictions).toBeGreaterThan(0);
  expect(traces.evictedTwice).toEqual([]);
  for (const machine of installation.lab.world.machines.values()) expect(machine.kernel).toBe('6.12.107+deb13-amd64');
}

describe('a daemon that is killed again and again', () => {
  it('finishes its runs all the same: nothing twice, nobody left cordoned', async (context) => {
    const seeds = [0, 1, 2, 3].map((index) => seed + index);
    console.log(`SEED=${seed}`);
    const kills = (
      await Promise.all(seeds.map((runSeed, index) => runWithKills(context, runSeed, index % 2 === 1)))
    ).flat();
    expect(kills).toHaveLength(20);
    // The checker has to have looked: also while the power ladder was climbed, and while servers were emptied.
    const phases = kills.flatMap((killed) => killed.phases.map((text) => text.split(' ')[1] ?? ''));
    expect(phases).toContain('rebooting');
    const counts = Map.groupBy(phases, (phase) => phase);
    console.log([...counts].map(([phase, all]) => `${phase} ${all.length}`).join(', '));
  }, 480_000);
});
