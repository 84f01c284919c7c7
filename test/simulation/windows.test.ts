/**
 * Runs that keep to their windows and start by themselves, over weeks of virtual time: exactly one run for every opening,
 * whoever dies, however many look, and whatever the clock does.
 */
import { describe, expect, it } from 'vitest';
import type { RunView } from '../../src/workflow/run-view.ts';
import { Checker } from './checker.ts';
import { mustHave, plan, playbook, Simulation, type Daemon, type KillAt } from './harness.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const weekMs = 7 * 24 * hourMs;
/** Saturdays at 22:00 in Berlin, for three quarters of an hour: four servers fit. */
const opensMs = Date.UTC(2026, 10, 28, 21, 0, 0);
const lastsMs = 45 * minuteMs;

interface Installation {
  readonly simulation: Simulation;
  readonly checker: Checker;
}

function install(
  more: { schedule?: Record<string, unknown>; servers?: number; clockErrorMs?: (daemon: string) => number } = {},
): Installation {
  const checker = new Checker();
  const servers = Array.from({ length: more.servers ?? 4 }, (_, index) => ({
    name: `s${index + 1}`,
    bootMs: 8 * minuteMs,
    shutdownMs: 20_000,
  }));
  const simulation = new Simulation({
    seed: 5,
    servers: [...servers, { name: 'spare', labels: { role: 'spare' } }],
    workloads: [{ kind: 'deployment', name: 'web', replicas: 3, budget: { minAvailable: 2 } }],
    plan: plan({
      schedule: {
        windows: [{ opens: '0 22 * * SAT', lasts: '45m', timeZone: 'Europe/Berlin' }],
        startAutomatically: true,
        estimate: '15m',
        ...more.schedule,
      },
    }),
    playbook: playbook(),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
    sweepMs: 3 * minuteMs,
    ...(more.clockErrorMs ? { clockErrorMs: more.clockErrorMs } : {}),
  });
  checker.attach(simulation);
  return { simulation, checker };
}

async function passTo({ simulation }: Installation, untilMs: number): Promise<void> {
  await simulation.clock.run(() => false, untilMs);
}

async function runsOf({ simulation }: Installation, daemon: Daemon): Promise<RunView[]> {
  return simulation.settle(daemon.operations.runs());
}

function expectGood({ simulation, checker }: Installation): void {
  expect(checker.looks['5 window']).toBeGreaterThan(0);
  expect(checker.violations).toEqual([]);
  expect(simulation.log.filter((line) => line.level === 'error')).toEqual([]);
}

describe('a weekly window', () => {
  it(
    'starts one run, which goes on in the next window where it stopped, and then the next one',
    { timeout: 120_000 },
    async () => {
      const installation = install({ servers: 6 });
      const daemon = await installation.simulation.startDaemon('d');
      await passTo(installation, opensMs - minuteMs);
      expect(await runsOf(installation, daemon)).toEqual([]);

      await passTo(installation, opensMs + 3 * hourMs);
      const [first] = await runsOf(installation, daemon);
      expect(first).toMatchObject({
        status: 'running',
        counts: { total: 6, done: 4, active: 0 },
        hold: { kind: 'waiting', for: 'window', text: 'window opens Sat 5 Dec 22:00 CET' },
      });
      expect(first?.endsAboutMs).toBeUndefined();

      await passTo(installation, opensMs + weekMs + 3 * hourMs);
      const second = await runsOf(installation, daemon);
      expect(second.map(({ runId, status }) => ({ runId, status }))).toEqual([{ runId: first?.runId, status: 'done' }]);

      await passTo(installation, opensMs + 2 * weekMs + 10 * minuteMs);
      const third = await runsOf(installation, daemon);
      expect(third.map(({ status }) => status)).toEqual(['done', 'running']);
      expectGood(installation);
    },
  );

  it(
    'starts nothing in a blackout, and servers of a run that a person starts wait for the window',
    { timeout: 120_000 },
    async () => {
      const installation = install({
        servers: 2,
        schedule: {
          blackouts: [{ from: '2026-11-27', to: '2026-12-04', timeZone: 'Europe/Berlin', reason: 'freeze' }],
        },
      });
      const daemon = await installation.simulation.startDaemon('d');
      await passTo(installation, opensMs + 10 * minuteMs);
      expect(await runsOf(installation, daemon)).toEqual([]);
      const runId = await installation.simulation.startRun(daemon);
      await passTo(installation, opensMs + weekMs - minuteMs);
      const [waiting] = await runsOf(installation, daemon);
      expect(waiting).toMatchObject({ runId, counts: { done: 0, active: 0 }, hold: { for: 'window' } });
      await passTo(installation, opensMs + weekMs + 2 * hourMs);
      // It went on in the opening, so the opening has its run.
      expect((await runsOf(installation, daemon)).map((run) => [run.runId, run.status])).toEqual([[runId, 'done']]);
      expectGood(installation);
    },
  );

  it('starts no run that a person has stopped a second time', { timeout: 120_000 }, async () => {
    const installation = install({ servers: 2 });
    const daemon = await installation.simulation.startDaemon('d');
    await passTo(installation, opensMs + 5 * minuteMs);
    const [run] = await runsOf(installation, daemon);
    await installation.simulation.settle(daemon.operations.stop(mustHave(run).runId, 'anna'));
    await passTo(installation, opensMs + hourMs);
    expect(await runsOf(installation, daemon)).toHaveLength(1);
    expectGood(installation);
  });
});

describe('a server that was cordoned when its daemon died', () => {
  it('goes on to its end, although the window has shut meanwhile', { timeout: 120_000 }, async () => {
    const installation = install({ servers: 1 });
    const first = await installation.simulation.startDaemon('first', { method: 'cordon', call: 1, effect: 'after' });
    await passTo(installation, opensMs + lastsMs + minuteMs);
    expect(first.isKilled()).toBe(true);
    const second = await installation.simulation.startDaemon('second');
    await passTo(installation, opensMs + 3 * hourMs);
    expect((await runsOf(installation, second)).map(({ status }) => status)).toEqual(['done']);
    expectGood(installation);
  });

  it(
    'has not started yet where the daemon died before the cordon, and waits for the next window',
    { timeout: 120_000 },
    async () => {
      const installation = install({ servers: 1 });
      const first = await installation.simulation.startDaemon('first', { method: 'cordon', call: 1, effect: 'before' });
      await passTo(installation, opensMs + lastsMs + minuteMs);
      expect(first.isKilled()).toBe(true);
      const second = await installation.simulation.startDaemon('second');
      await passTo(installation, opensMs + 3 * hourMs);
      const [run] = await runsOf(installation, second);
      expect(run?.servers[0]?.hold).toMatchObject({ for: 'window', text: 'window opens Sat 5 Dec 22:00 CET' });
      await passTo(installation, opensMs + weekMs + hourMs);
      expect((await runsOf(installation, second)).map(({ status }) => status)).toEqual(['done']);
      expectGood(installation);
    },
  );
});

describe('one run for every opening', () => {
  const kills: KillAt[] = (['before', 'after'] as const).flatMap((effect) =>
    [1, 2, 4].map((call) => ({ method: 'append', call, effect })),
  );
  it.each(kills)('where a daemon dies around the opening: %j', { timeout: 120_000 }, async (killAt) => {
    const installation = install({ servers: 2 });
    const first = await installation.simulation.startDaemon('first', killAt);
    await installation.simulation.clock.run(() => first.isKilled(), opensMs + hourMs);
    expect(first.isKilled()).toBe(true);
    const second = await installation.simulation.startDaemon('second');
    await passTo(installation, opensMs + 3 * hourMs);
    expect((await runsOf(installation, second)).map(({ status }) => status)).toEqual(['done']);
    expectGood(installation);
  });

  it('where several daemons look at the same plan', { timeout: 120_000 }, async () => {
    const installation = install({ servers: 2 });
    const daemons = [];
    for (const name of ['a', 'b', 'c']) daemons.push(await installation.simulation.startDaemon(name));
    await passTo(installation, opensMs + 3 * hourMs);
    await passTo(installation, opensMs + weekMs + 3 * hourMs);
    const runs = await runsOf(installation, mustHave(daemons[0]));
    expect(runs.map(({ status }) => status)).toEqual(['done', 'done']);
    expectGood(installation);
  });

  it('also late, while a server still fits, and never for an opening that is over', { timeout: 120_000 }, async () => {
    const late = install({ servers: 1 });
    await passTo(late, opensMs + lastsMs - 16 * minuteMs);
    const daemon = await late.simulation.startDaemon('late');
    await passTo(late, opensMs + 3 * hourMs);
    expect((await runsOf(late, daemon)).map(({ status }) => status)).toEqual(['done']);
    expectGood(late);

    const tooLate = install({ servers: 1 });
    await passTo(tooLate, opensMs + lastsMs - 14 * minuteMs);
    const other = await tooLate.simulation.startDaemon('too late');
    await passTo(tooLate, opensMs + 3 * hourMs);
    expect(await runsOf(tooLate, other)).toEqual([]);
  });

  it('where the clock jumps back over the opening, again and again', { timeout: 120_000 }, async () => {
    let errorMs = 0;
    const installation = install({ servers: 2, clockErrorMs: () => errorMs });
    const daemon = await installation.simulation.startDaemon('d');
    await passTo(installation, opensMs + 30 * minuteMs);
    for (const back of [1, 2, 3]) {
      errorMs = -back * hourMs;
      await passTo(installation, opensMs + (back + 1) * hourMs);
    }
    expect((await runsOf(installation, daemon)).map(({ status }) => status)).toEqual(['done']);
  });

  it('where the clock jumps over a window: it is missed, and the next one is kept', { timeout: 120_000 }, async () => {
    let errorMs = 0;
    const installation = install({ servers: 2, clockErrorMs: () => errorMs });
    const daemon = await installation.simulation.startDaemon('d');
    await passTo(installation, opensMs - hourMs);
    errorMs = 2 * hourMs;
    await passTo(installation, opensMs + hourMs);
    expect(await runsOf(installation, daemon)).toEqual([]);
    errorMs = 0;
    await passTo(installation, opensMs + weekMs + 2 * hourMs);
    expect((await runsOf(installation, daemon)).map(({ status }) => status)).toEqual(['done']);
    expectGood(installation);
  });

  it(
    'and a daemon whose clock is an hour fast is seen to start outside of the window',
    { timeout: 120_000 },
    async () => {
      const installation = install({ servers: 1, clockErrorMs: () => hourMs });
      await installation.simulation.startDaemon('fast');
      await passTo(installation, opensMs + hourMs);
      expect(installation.checker.violations).toEqual([
        { invariant: '5 window', text: expect.stringMatching(/^s1 was cordoned at 2026-11-28T20:00/) },
      ]);
    },
  );

  it('where one daemon’s clock is slow', { timeout: 120_000 }, async () => {
    const installation = install({ servers: 1, clockErrorMs: (daemon) => (daemon === 'slow' ? -20 * minuteMs : 0) });
    const daemon = await installation.simulation.startDaemon('right');
    await installation.simulation.startDaemon('slow');
    await passTo(installation, opensMs + 3 * hourMs);
    expect((await runsOf(installation, daemon)).map(({ status }) => status)).toEqual(['done']);
  });
});
