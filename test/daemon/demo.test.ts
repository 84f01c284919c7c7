/** The demo's words, and what it refuses before it has started anything. The whole demo is a slow test's business. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runDemo } from '../../src/daemon/demo.ts';
import { greeting, hardestServer, howToReach, whatHappened, whatNext } from '../../src/daemon/demo-story.ts';
import { breakServer, demoRebootTimeoutMs, demoServers } from '../../src/daemon/demo-world.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { runView, serverRow } from '../api/views.ts';

const off = { atMs: 1, text: 'power off asked' };
const run = runView({
  status: 'done',
  endedMs: 90_000,
  servers: [
    serverRow({ name: 'rack1-01', phase: 'done', phaseMs: { rebooting: 5_000 } }),
    serverRow({
      name: 'rack2-03',
      phase: 'done',
      phaseMs: { rebooting: 20_000 },
      tried: [{ atMs: 0, text: 'asked over SSH' }, off, off, off],
    }),
  ],
});

describe('what the demo says', () => {
  it('fits 80 columns', () => {
    const access = {
      root: '/home/anna/pitcrew',
      entry: 'src/main.ts',
      socket: '/tmp/pitcrew-demo-abcdef/data/daemon.sock',
    };
    const lines = [greeting, whatHappened(run), whatNext, howToReach(access)].join('\n').split('\n');
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  it('tells of the server that gave the most trouble, and what was tried, each thing once', () => {
    expect(hardestServer(run)?.name).toBe('rack2-03');
    expect(whatHappened(run).replaceAll(/\s+/g, ' ')).toContain('asked over SSH, power off asked (3 times). Then it');
  });

  it('names the servers that halted', () => {
    const halted = { ...run, servers: [serverRow({ name: 'rack1-02', phase: 'halted' })] };
    expect(whatHappened(halted)).toContain('rack1-02 did not come back');
  });
});

describe('the demo', () => {
  it('refuses a folder with something in it, and leaves it as it is', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'pitcrew-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(path.join(folder, 'mine'), 'mine');
    const io = { stdout: { write: () => true }, signal: new AbortController().signal, by: 'anna' };
    const options = { keep: false, run: true, speed: 1, folder };
    await expect(runDemo(options, { ...io, pitcrew: async () => 0 as const })).rejects.toThrow('is not empty');
    expect(readdirSync(folder)).toEqual(['mine']);
  });

  it('gives slow servers more time to boot, and quick ones no less', () => {
    expect(demoRebootTimeoutMs(0.5)).toBe(2 * demoRebootTimeoutMs(1));
    expect(demoRebootTimeoutMs(10)).toBe(demoRebootTimeoutMs(1));
  });
});

describe('a server that was broken on purpose', () => {
  it('boots again once it has been switched off and on twice', async () => {
    const clock = new VirtualClock(1_000);
    const world = createWorld({ servers: demoServers(1), clock, random: new SeededRandom(1) });
    onTestFinished(() => world.stop());
    breakServer(world, 'rack1-02');
    const machine = world.machines.get('rack1-02');
    const before = machine?.bootId;
    for (const expected of ['booting', 'up']) {
      machine?.setPower('off');
      machine?.setPower('on');
      await clock.run(() => false, clock.nowMs() + 60_000);
      expect(machine?.system).toBe(expected);
    }
    expect(machine?.bootId).not.toBe(before);
  });

  it('must be one of the demo', () => {
    const world = createWorld({ servers: demoServers(1), clock: new VirtualClock(1_000), random: new SeededRandom(1) });
    onTestFinished(() => world.stop());
    expect(() => breakServer(world, 'rack9-99')).toThrow('there are: rack1-01');
  });
});
