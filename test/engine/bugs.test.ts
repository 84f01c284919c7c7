/** What happens when the bug is ours. */
import { describe, expect, it } from 'vitest';
import { plan, playbook, Simulation, type Doors } from '../simulation/harness.ts';

function simulate(tamper: (doors: Doors) => Doors): Simulation {
  return new Simulation({
    seed: 5,
    servers: ['a', 'b'].map((name) => ({ name, bootMs: 20_000, shutdownMs: 2_000 })),
    workloads: [],
    plan: plan({ rollout: { haltAfter: { failures: 2 } } }),
    playbook: playbook(),
    tamper: (_daemon, doors) => tamper(doors),
  });
}

describe('a bug of ours', () => {
  it('in a step ends that server with a word about it, is logged, and lets the others go on', async () => {
    const simulation = simulate((doors) => ({
      ...doors,
      bmcOf: (server) => {
        const bmc = doors.bmcOf(server);
        if (server === 'a') bmc.readSel = () => Promise.reject(new TypeError('undefined is not a function'));
        return bmc;
      },
    }));
    const daemon = await simulation.startDaemon('d');
    const runId = await simulation.startRun(daemon);
    await simulation.runToEnd();
    const run = await simulation.settle(daemon.operations.run(runId));
    expect(run.servers).toMatchObject([
      { name: 'a', phase: 'undone', reason: 'a bug in pitcrew: undefined is not a function' },
      { name: 'b', phase: 'done' },
    ]);
    expect(simulation.log.filter((line) => line.level === 'error')).toHaveLength(1);
    expect(simulation.world.machines.get('a')?.boots).toBe(0);
  });

  it('that makes a journal impossible stops what it concerns: once said, and nothing more is done', async () => {
    const simulation = simulate((doors) => doors);
    const daemon = await simulation.startDaemon('d');
    const runId = await simulation.startRun(daemon);
    const impossible = { kind: 'stepFinished', step: 'verify', evidence: {} } as const;
    const stream = { runId, server: 'a' };
    const { length } = await simulation.journal.read(stream);
    await simulation.journal.append(stream, length, simulation.clock.nowMs(), [impossible]);
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 600_000);
    const errors = simulation.log.filter((line) => line.level === 'error');
    expect(errors.map((line) => line.text)).toContain('invariant broken, this is a bug');
    expect(errors.length).toBeLessThanOrEqual(2);
    expect(await simulation.journal.read(stream)).toHaveLength(length + 1);
    expect(simulation.world.machines.get('a')?.boots).toBe(0);
    expect(simulation.world.cordons.of('a')).toEqual([]);
  });
});
