/** Redis goes away in the middle of a run: the run goes on by itself once it is back, and nothing happens twice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isRunning, waitUntilGone } from '../../src/adapters/system/processes.ts';
import { startRedisServer } from '../../src/adapters/system/redis-server.ts';
import type { ApiClient } from '../../src/api/client.ts';
import { Installation, planName, quickServers, runEnded, until } from './installation.ts';
import { expectNothingTwice } from './nothing-twice.ts';

/** Asks for a power cycle, too, so that an outage may lie between "off" and "on". */
const options = {
  servers: quickServers(3, { 'node-1': { faults: { shutdownHangs: true } } }),
  rungTimeout: '8s',
};

/** As an operator does it: the same configuration, the same data. */
async function startAgain(installation: Installation, folder: string): Promise<void> {
  const again = spawn('redis-server', [path.join(folder, 'redis.conf')], { cwd: folder, stdio: 'ignore' });
  await once(again, 'spawn');
  installation.onStop(async () => {
    if (again.exitCode !== null || again.signalCode !== null) return;
    again.kill('SIGTERM');
    await once(again, 'exit');
  });
}

/** Until one server is past the point of no return: there an outage hurts most. */
async function untilRebooting(client: ApiClient, runId: string): Promise<string[]> {
  return until('a server that reboots', 60_000, async () => {
    const { servers: rows } = await client.run(runId);
    const isUnderWay = rows.some(({ phase }) => phase === 'rebooting');
    return isUnderWay ? rows.map(({ name, phase }) => `${name} ${phase}`) : undefined;
  });
}

describe('Redis away in the middle of a run', () => {
  it.concurrent('for a minute, without a word: the run finishes, and nothing happens twice', async (context) => {
    const installation = await Installation.for(context, options);
    const daemon = await installation.startDaemon();
    const client = await daemon.client();
    const { runId } = await client.start(planName);
    const phases = await untilRebooting(client, runId);
    const pid = Number(await readFile(path.join(installation.dataOf(), 'redis', 'redis.pid'), 'utf8'));
    process.kill(pid, 'SIGSTOP');
    installation.onStop(async () => void (isRunning(pid) && process.kill(pid, 'SIGCONT')));
    const stoppedMs = performance.now();
    const asked = await installation.pitcrew(['status', runId]);
    expect(asked).toMatchObject({ code: 5, stdout: '' });
    expect(asked.stderr).toMatch(/journal\/unreachable/);
    expect(asked.stderr).toContain('Runs go on by themselves once it is');
    await sleep(60_000 - (performance.now() - stoppedMs));
    process.kill(pid, 'SIGCONT');
    const view = await runEnded(client, runId, 180_000);
    expect(view).toMatchObject({ status: 'done', counts: { done: 3 } });
    expectNothingTwice(installation, ['node-1']);
    const log = await daemon.log();
    expect(log).not.toContain('"level":"error"');
    const tookMs = (view.endedMs ?? 0) - view.createdMs;
    console.log(`frozen for 60 s at: ${phases.join(' · ')}; run done after ${Math.round(tookMs / 1_000)} s`);
  }, 360_000);

  it.concurrent('stopped and started again on the same folder: the run finishes, and nothing happens twice', async (context) => {
    const installation = await Installation.for(context, options);
    const folder = installation.dataOf('redis');
    const server = await startRedisServer({ folder, port: 0, signal: AbortSignal.timeout(30_000) });
    installation.onStop(() => server.stop());
    const { at, password = '' } = server.address;
    if (at.kind !== 'tcp') throw new Error('a port was asked for');
    const daemon = await installation.startDaemon({
      env: { PITCREW_REDIS: `redis://:${password}@${at.host}:${at.port}` },
    });
    const client = await daemon.client();
    const { runId } = await client.start(planName);
    const phases = await untilRebooting(client, runId);
    process.kill(server.pid, 'SIGTERM');
    expect(await waitUntilGone(server.pid, 10_000)).toBe(true);
    await sleep(15_000);
    await startAgain(installation, folder);
    const view = await runEnded(client, runId, 180_000);
    expect(view).toMatchObject({ status: 'done', counts: { done: 3 } });
    expectNothingTwice(installation, ['node-1']);
    expect(await daemon.log()).not.toContain('"level":"error"');
    const tookMs = (view.endedMs ?? 0) - view.createdMs;
    console.log(`stopped for 15 s at: ${phases.join(' · ')}; run done after ${Math.round(tookMs / 1_000)} s`);
  }, 300_000);

  it.concurrent('its own Redis killed: the daemon starts it again, and the run finishes', async (context) => {
    const installation = await Installation.for(context, options);
    const daemon = await installation.startDaemon();
    const client = await daemon.client();
    const { runId } = await client.start(planName);
    const phases = await untilRebooting(client, runId);
    const pidFile = path.join(installation.dataOf(), 'redis', 'redis.pid');
    const pid = Number(await readFile(pidFile, 'utf8'));
    process.kill(pid, 'SIGKILL');
    const view = await until('the end of the run', 180_000, async () => {
      const seen = await client.run(runId);
      return seen.endedMs === undefined ? undefined : seen;
    });
    expect(view).toMatchObject({ status: 'done', counts: { done: 3 } });
    expectNothingTwice(installation, ['node-1']);
    expect(Number(await readFile(pidFile, 'utf8'))).not.toBe(pid);
    console.log(`own Redis killed at: ${phases.join(' · ')}`);
  }, 300_000);
});

describe('Redis that cannot be reached when the daemon starts', () => {
  it.concurrent('is said in the log and to whoever asks, exit code 5; once it is there, work begins', async (context) => {
    const other = await Installation.for(context, { servers: quickServers(3) });
    const folder = other.dataOf('redis');
    const first = await startRedisServer({ folder, port: 0, signal: AbortSignal.timeout(30_000) });
    other.onStop(() => first.stop());
    const { at, password = '' } = first.address;
    if (at.kind !== 'tcp') throw new Error('a port was asked for');
    process.kill(first.pid, 'SIGTERM');
    expect(await waitUntilGone(first.pid, 10_000)).toBe(true);
    const where = `${at.host}:${at.port}`;
    const daemon = other.spawnDaemon({ env: { PITCREW_REDIS: `redis://:${password}@${where}` } });
    await until('its API', 60_000, async () => (existsSync(path.join(daemon.data, 'token')) ? true : undefined));
    for (const words of [['status'], ['start', planName]]) {
      const ended = await until(`an answer to ${words[0]}`, 60_000, async () => {
        const answer = await other.pitcrew(words);
        return answer.stderr.includes('api/unreachable') ? undefined : answer;
      });
      expect(ended).toMatchObject({ code: 5, stdout: '' });
      expect(ended.stderr.replaceAll(/\s+/g, ' ')).toContain(`Redis at ${where} cannot be used`);
      expect(ended.stderr.replaceAll(/\s+/g, ' ')).toContain('(journal/unreachable)');
      expect(ended.stderr).not.toContain(password);
    }
    expect(await daemon.log()).toContain('redis cannot be reached, trying again by itself');
    expect(other.traces()).toMatchObject({ evictions: 0, cordonedNow: [] });
    await startAgain(other, folder);
    await daemon.ready();
    const run = await until('a run', 60_000, async () => {
      const answer = await other.pitcrew(['start', planName, '--watch']);
      return answer.code === 5 ? undefined : answer;
    });
    expect(run.code).toBe(0);
  }, 240_000);
});
