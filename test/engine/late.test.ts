/** An outage of ours must not cost a server its gentlest way down. */
import { describe, expect, it } from 'vitest';
import { plan, playbook, Simulation } from '../simulation/harness.ts';

describe('a daemon that dies between the intent to reboot and the request', () => {
  it('and is away for longer than the rung may take, leaves a server that is still asked over SSH first', async () => {
    const simulation = new Simulation({
      seed: 11,
      servers: ['a', 'b'].map((name) => ({ name, bootMs: 20_000, shutdownMs: 2_000 })),
      workloads: [],
      plan: plan(),
      playbook: playbook({ service: [{ reboot: { timeout: '2m', expect: { kernel: '${newest}' } } }] }),
    });
    const first = await simulation.startDaemon('first', { method: 'requestReboot', call: 1, effect: 'before' });
    const runId = await simulation.startRun(first);
    await simulation.clock.run(() => first.isKilled());
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 1_800_000);
    const second = await simulation.startDaemon('second');
    await simulation.runToEnd();
    expect(await simulation.settle(second.operations.run(runId))).toMatchObject({
      status: 'done',
      counts: { done: 2 },
    });
    const machines = [...simulation.world.machines.values()];
    expect(machines.map(({ boots, powerCycles }) => ({ boots, powerCycles }))).toEqual([
      { boots: 1, powerCycles: 0 },
      { boots: 1, powerCycles: 0 },
    ]);
  });
});
