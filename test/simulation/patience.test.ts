import { describe, expect, it } from 'vitest';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { Checker } from './checker.ts';
import { plan, playbook, Simulation, type Daemon } from './harness.ts';

const minuteMs = 60_000;

/** One server may be out at a time, and another than ours has cordoned `b` for reasons of their own. */
function blockedFleet(rollout: object) {
  const checker = new Checker();
  const simulation = new Simulation({
    seed: 11,
    servers: ['a', 'b', 'c'].map((name) => ({ name })),
    workloads: [{ kind: 'deployment', name: 'web', replicas: 3 }],
    plan: plan({ rollout: { maxUnavailable: 1, ...rollout } }),
    playbook: playbook(),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  const setCordon = (unschedulable: boolean): void => {
    const { store } = simulation.world.api;
    const node = store.get(kinds.nodes, undefined, 'b');
    if (!node) throw new Error('no node b');
    store.replace(kinds.nodes, node, { ...node, spec: { ...node.spec, unschedulable } });
  };
  setCordon(true);
  return { checker, simulation, setCordon };
}

async function look(simulation: Simulation, daemon: Daemon, runId: string) {
  return simulation.settle(daemon.operations.run(runId));
}

describe('a run that finds a server down for another reason, and has no place left in its budget', () => {
  it('says what it waits for and until when, and halts then with nothing touched', async () => {
    const { checker, simulation, setCordon } = blockedFleet({ waitTimeout: '40m' });
    const daemon = await simulation.startDaemon('d1');
    const runId = await simulation.startRun(daemon);
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 39 * minuteMs);
    const waiting = await look(simulation, daemon, runId);
    expect(waiting).toMatchObject({
      status: 'running',
      hold: { kind: 'waiting', for: 'budget', text: 'budget: b unavailable, at most 1' },
    });
    expect(waiting.givesUpMs).toBeGreaterThan(simulation.clock.nowMs());
    expect(await simulation.runToEnd(2 * minuteMs)).toBe('done');
    expect(await look(simulation, daemon, runId)).toMatchObject({
      status: 'halted',
      counts: { done: 0, active: 0 },
      reason:
        'nothing could start for 40 min: budget: b unavailable, at most 1; bring back what is down, or allow more, then `pitcrew start weekly`',
    });
    setCordon(false);
    await checker.finish();
    expect(checker.violations).toEqual([]);
  });

  it('goes on as soon as that server is back, whatever it has waited', async () => {
    const { simulation, setCordon } = blockedFleet({ waitTimeout: '40m' });
    const daemon = await simulation.startDaemon('d1');
    const runId = await simulation.startRun(daemon);
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 39 * minuteMs);
    setCordon(false);
    expect(await simulation.runToEnd()).toBe('done');
    expect(await look(simulation, daemon, runId)).toMatchObject({ status: 'done', counts: { done: 2 } });
  });

  it('can be stopped all the while', async () => {
    const { simulation } = blockedFleet({});
    const daemon = await simulation.startDaemon('d1');
    const runId = await simulation.startRun(daemon);
    await simulation.clock.run(() => false, simulation.clock.nowMs() + minuteMs);
    await simulation.settle(daemon.operations.stop(runId, 'me'));
    expect(await simulation.runToEnd(minuteMs)).toBe('done');
    expect(await look(simulation, daemon, runId)).toMatchObject({ status: 'undone' });
  });
});
