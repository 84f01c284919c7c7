/** The harness of the slow tests itself: whatever happens in a test, nothing is left running on this machine. */
import { spawn } from 'node:child_process';
import { once as first } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRunning, waitUntilGone } from '../../src/adapters/system/processes.ts';
import { Installation, planName, quickServers, runEnded, until } from './installation.ts';
import { processesIn } from './processes.ts';

const once = ['cordoned', 'uncordoned'];

describe('an installation', () => {
  it('patches its servers over the real protocols, and leaves no process and no file behind', async (context) => {
    const installation = await Installation.for(context, { servers: quickServers(3) });
    const client = await (await installation.startDaemon()).client();
    const { runId } = await client.start(planName);
    const seen = (await processesIn(installation.folder)).map((one) => one.arguments[0] ?? '');
    expect(seen.filter((name) => name.includes('ipmi_sim'))).toHaveLength(3);
    expect(seen.filter((name) => name.includes('redis-server'))).toHaveLength(1);
    expect((await runEnded(client, runId, 90_000)).status).toBe('done');
    expect(installation.traces()).toMatchObject({
      boots: { 'node-1': 1, 'node-2': 1, 'node-3': 1 },
      powerCycles: { 'node-1': 0, 'node-2': 0, 'node-3': 0 },
      cordons: { 'node-1': once, 'node-2': once, 'node-3': once },
      cordonedNow: [],
      evictedTwice: [],
    });
    expect(installation.traces().evictions).toBeGreaterThan(0);
    await installation.stop();
    expect(await processesIn(installation.folder)).toEqual([]);
    expect(existsSync(installation.folder)).toBe(false);
  }, 180_000);

  it('that is stopped in the middle of everything leaves no process either', async (context) => {
    const installation = await Installation.for(context, { servers: quickServers(3) });
    const client = await (await installation.startDaemon()).client();
    const { runId } = await client.start(planName);
    await until('a server at work', 60_000, async () =>
      (await client.run(runId)).servers.some(({ phase }) => phase === 'rebooting') ? true : undefined,
    );
    await installation.stop();
    expect(await processesIn(installation.folder)).toEqual([]);
  }, 180_000);

  it('whose daemon is killed has no Redis any more either', async (context) => {
    const installation = await Installation.for(context, { servers: quickServers(1) });
    const daemon = await installation.startDaemon();
    const pid = Number(await readFile(path.join(installation.dataOf(), 'redis', 'redis.pid'), 'utf8'));
    expect(isRunning(pid)).toBe(true);
    await daemon.kill();
    expect(await waitUntilGone(pid, 10_000)).toBe(true);
  }, 120_000);

  it('notices what was left running, and ends it', async (context) => {
    const installation = await Installation.start({ servers: quickServers(1) });
    context.onTestFinished(async () => await installation.stop());
    const left = spawn('sleep', ['600'], { cwd: installation.folder, stdio: 'ignore' });
    await first(left, 'spawn');
    await expect(installation.stop()).rejects.toThrow(`process ${left.pid} is left: sleep 600`);
    expect(await processesIn(installation.folder)).toEqual([]);
  }, 120_000);
});
