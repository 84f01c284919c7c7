/**
 * The daemon is killed (`kill -9`) at twenty random moments of four runs and started again each time, over the real
 * protocols. Every run reaches the same end, and nothing happens twice.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, type TestContext } from 'vitest';
import { waitUntilGone } from '../../src/adapters/system/processes.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import type { Daemon } from './daemon.ts';
import { Installation, planName, quickServers, runEnded, until, type InstallationOptions } from './installation.ts';
import { expectNothingTwice } from './nothing-twice.ts';

const seed = Number(process.env['SEED'] ?? 20_261_122);
const killsPerRun = 5;
/** Longer than it takes until a lease of a killed daemon has run out, three times over. */
const rungMs = 60_000;

interface Story {
  readonly name: string;
  readonly options: Omit<InstallationOptions, 'seed'>;
  /** Resolves when it is time for the next kill. */
  readonly moment: (place: Place) => Promise<unknown>;
}

interface Place {
  readonly installation: Installation;
  readonly random: SeededRandom;
  readonly runId: string;
  readonly startMs: number;
  /** Which kill of this run it is to be, from 0. */
  readonly index: number;
}

/** One hangs on its way down, and then its BMC takes the first "off" and does nothing: the ladder to its end. */
const hanging = {
  servers: quickServers(4, { 'node-1': { faults: { shutdownHangs: true, bmcIgnoresOffTimes: 1 } } }),
  rungTimeout: `${rungMs / 1_000}s`,
};

/** At any time, whatever goes on: the n-th kill somewhere in the n-th part of the time. */
async function anyTime({ random, startMs, index }: Place): Promise<void> {
  const partMs = (rungMs * 1.5) / killsPerRun;
  await sleep(Math.max(0, startMs + (index + random.next()) * partMs - performance.now()));
}

/** By progress: after so many entries in the journal since the daemon is back, so it is at work then. */
async function amongEntries({ installation, random }: Place): Promise<void> {
  const wanted = 1 + Math.floor(random.next() * 20);
  const redis = await installation.redis();
  const isReached = Promise.withResolvers<void>();
  let appends = 0;
  redis.on('message', () => {
    appends += 1;
    if (appends >= wanted) isReached.resolve();
  });
  await redis.subscribe('pitcrew:appended');
  // A server that hangs may be all that is left to wait for; then nothing is written for a long time.
  await Promise.race([isReached.promise, sleep(20_000)]);
  await sleep(random.next() * 60);
  redis.disconnect();
}

/** Each of them lies between an intent and its effect, or between the effect and what is written about it. */
const powerEntries = [
  '"kind":"rungStarted"',
  '"kind":"powerAsked","step":"[^"]*","request":"off"',
  '"kind":"powerAsked","step":"[^"]*","request":"off".*"kind":"powerAsked","step":"[^"]*","request":"off"',
  '"kind":"powerSeen"',
  '"kind":"powerAsked","step":"[^"]*","request":"on"',
];

async function amidPower({ installation, random, runId, index }: Place): Promise<void> {
  const redis = await installation.redis();
  const wanted = new RegExp(powerEntries[index] ?? '', 's');
  await until(`${wanted} in the journal`, 120_000, async () => {
    const entries = await redis.lrange(`pitcrew:journal:${runId}:node-1`, 0, -1);
    return wanted.test(entries.join('\n')) ? true : undefined;
  });
  await sleep(random.next() * 150);
  redis.disconnect();
}

const stories: readonly Story[] = [
  { name: 'at any time', options: hanging, moment: anyTime },
  { name: 'among entries', options: hanging, moment: amongEntries },
  { name: 'among entries', options: hanging, moment: amongEntries },
  {
    name: 'amid power off and on',
    // The BMC's rung alone: nothing to wait for, and all the time for it that five kills may take.
    options: {
      servers: quickServers(4, { 'node-1': { faults: { bmcIgnoresOffTimes: 1 } } }),
      ladder: ['bmc-cycle'],
      rungTimeout: '200s',
    },
    moment: amidPower,
  },
];

async function redisPid(installation: Installation): Promise<number> {
  return Number(await readFile(path.join(installation.dataOf(), 'redis', 'redis.pid'), 'utf8'));
}

interface Killed {
  readonly atMs: number;
  /** What the servers were at, as the journal said it last. */
  readonly phases: readonly string[];
}

async function phasesOf(daemon: Daemon, runId: string): Promise<string[]> {
  const { servers } = await (await daemon.client()).run(runId);
  return servers.map(({ phase }) => phase);
}

async function runWithKills(context: TestContext, story: Story, runSeed: number): Promise<Killed[]> {
  const random = new SeededRandom(runSeed);
  const installation = await Installation.for(context, { ...story.options, seed: runSeed });
  let daemon = await installation.startDaemon();
  const { runId } = await (await daemon.client()).start(planName);
  const startMs = performance.now();
  const killed: Killed[] = [];
  for (let index = 0; index < killsPerRun; index += 1) {
    await story.moment({ installation, random, runId, startMs, index });
    const phases = await phasesOf(daemon, runId);
    const pid = await redisPid(installation);
    await daemon.kill();
    killed.push({ atMs: performance.now() - startMs, phases });
    expect(await waitUntilGone(pid, 10_000), 'the daemon’s Redis ends with it').toBe(true);
    daemon = await installation.startDaemon();
  }
  const view = await runEnded(await daemon.client(), runId, 240_000);
  expect(view).toMatchObject({ status: 'done', counts: { total: 4, done: 4, failed: 0 } });
  // Where power is the only way to reboot, all of them had their power cycle.
  const { machines } = installation.lab.world;
  expectNothingTwice(installation, story.options.ladder ? [...machines.keys()] : ['node-1']);
  const at = killed.map(({ atMs, phases }) => `${Math.round(atMs / 1_000)} s (${phases.join(' ')})`).join(', ');
  const tookMs = performance.now() - startMs;
  console.log(`SEED=${runSeed} ${story.name}: run done after ${Math.round(tookMs / 1_000)} s, killed at ${at}`);
  await installation.stop();
  return killed;
}

describe('a daemon that is killed again and again', () => {
  it('finishes its runs all the same: nothing twice, nobody left cordoned', async (context) => {
    console.log(`SEED=${seed}`);
    const runs = stories.map((story, index) => runWithKills(context, story, seed + index));
    // Each takes its own installation down; so all of them are waited for, also where one fails.
    const failed = (await Promise.allSettled(runs)).find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    const kills = (await Promise.all(runs)).flat();
    expect(kills).toHaveLength(20);
    // The checker has to have looked: at servers being rebooted, and at others.
    const counts = Map.groupBy(
      kills.flatMap(({ phases }) => phases),
      (phase) => phase,
    );
    expect(counts.get('rebooting')?.length).toBeGreaterThanOrEqual(5);
    expect(counts.size).toBeGreaterThan(3);
    console.log(`killed with servers at: ${[...counts].map(([phase, all]) => `${phase} ${all.length}`).join(', ')}`);
  }, 540_000);
});
