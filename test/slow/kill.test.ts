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
const serverNames = ['node-1', 'node-2', 'node-3', 'node-4'];

interface Killed {
  readonly atMs: number;
  /** What the servers were at, as the journal said it last. */
  readonly phases: readonly string[];
}

/**
 * Half of the moments come right after something was written into the journal, because that is where an intent and its
 * effect lie apart; the others come at any time.
 */
async function untilMoment(installation: Installation, random: SeededRandom, startMs: number, atMs: number) {
  await sleep(Math.max(0, startMs + atMs - performance.now()));
  if (random.next() < 0.5) return;
  const redis = await installation.redis();
  const appended = Promise.withResolvers<void>();
  redis.on('message', () => appended.resolve());
  await redis.subscribe('pitcrew:appended');
  await Promise.race([appended.promise, sleep(4_000)]);
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

async function runWithKills(context: TestContext, runSeed: number): Promise<Killed[]> {
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
  const moments = Array.from({ length: killsPerRun }, () => 500 + random.next() * rungMs * 2).sort((a, b) => a - b);
  const killed: Killed[] = [];
  for (const atMs of moments) {
    await untilMoment(installation, random, startMs, atMs);
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
  for (const name of serverNames) expect(traces.cordons[name], name).toEqual(['cordoned', 'uncordoned']);
  expect(traces.evictions).toBeGreaterThan(0);
  expect(traces.evictedTwice).toEqual([]);
  for (const machine of installation.lab.world.machines.values()) expect(machine.kernel).toBe('6.12.107+deb13-amd64');
}

describe('a daemon that is killed again and again', () => {
  it('finishes its runs all the same: nothing twice, nobody left cordoned', async (context) => {
    const seeds = [0, 1, 2, 3].map((index) => seed + index);
    console.log(`SEED=${seed}`);
    const kills = (await Promise.all(seeds.map((runSeed) => runWithKills(context, runSeed)))).flat();
    expect(kills).toHaveLength(20);
    // The checker has to have looked: also while the power ladder was climbed, and while servers were emptied.
    const phases = kills.flatMap((killed) => killed.phases.map((text) => text.split(' ')[1] ?? ''));
    expect(phases).toContain('rebooting');
    const counts = Map.groupBy(phases, (phase) => phase);
    console.log([...counts].map(([phase, all]) => `${phase} ${all.length}`).join(', '));
  }, 480_000);
});
