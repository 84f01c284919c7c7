/**
 * People who interrupt a run, and what the swarm has found in such moments: a run that is held up, however long and
 * wherever, goes on to the same end, and nobody else takes the server meanwhile.
 */
import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { mustHave, plan, playbook, Simulation } from './harness.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { Operations } from '../../src/engine/operations.ts';

const servers = ['a', 'b'].map((name) => ({ name, bootMs: 40_000, shutdownMs: 3_000 }));
const spare = { name: 'spare', bootMs: 1, shutdownMs: 1, labels: { role: 'spare' } };
const hourMs = 3_600_000;

function simulate(): { simulation: Simulation; checker: Checker; people: Operations } {
  const checker = new Checker();
  const simulation = new Simulation({
    seed: 3,
    servers: [...servers, spare],
    workloads: [{ kind: 'deployment', name: 'web', replicas: 3, budget: { minAvailable: 2 } }],
    plan: plan({ rollout: { maxUnavailable: 1, haltAfter: { failures: 2 } } }),
    playbook: playbook(),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  return { simulation, checker, people: simulation.startConsole('people') };
}

async function expectSound(checker: Checker): Promise<void> {
  await checker.finish();
  expect(checker.violations).toEqual([]);
  expect(checker.simulation.log.filter(({ level }) => level === 'error')).toEqual([]);
}

describe('a run that people interrupt', () => {
  it(
    'paused for two hours at any moment, it goes on to the same end under its own Lease',
    { timeout: 120_000 },
    async () => {
      const heldIn = new Set<string>();
      for (let atMs = 5_000; atMs < 260_000; atMs += 17_000) {
        const { simulation, checker, people } = simulate();
        const { clock, world } = simulation;
        await simulation.startDaemon('d1');
        const runId = await simulation.startRun({ operations: people });
        await clock.run(() => simulation.hasEnded, clock.nowMs() + atMs);
        if (simulation.hasEnded) break;
        await simulation.settle(people.pause(runId, 'ann'));
        await clock.run(() => false, clock.nowMs() + 2 * hourMs);
        const paused = await simulation.settle(people.run(runId));
        const held = paused.servers.find(({ hold }) => hold.kind === 'paused');
        heldIn.add(held?.phase ?? 'none');
        // Whatever was going on has come to a safe place: the system is up, and nothing moves any more.
        expect([...world.machines.values()].map(({ system }) => system)).toEqual(['up', 'up', 'up']);
        await simulation.settle(people.resume(runId, 'ann'));
        await simulation.runToEnd();
        const run = await simulation.settle(people.run(runId));
        expect({ atMs, status: run.status, counts: run.counts }).toMatchObject({ status: 'done', counts: { done: 2 } });
        expect([...world.machines.values()].map(({ boots }) => boots)).toEqual([1, 1, 0]);
        await expectSound(checker);
      }
      expect(heldIn.size).toBeGreaterThan(1);
    },
  );

  it(
    'stopped at any moment, it brings back what has a way back, and finishes what has none',
    { timeout: 120_000 },
    async () => {
      const ends = new Set<string>();
      for (let atMs = 5_000; atMs < 260_000; atMs += 17_000) {
        const { simulation, checker, people } = simulate();
        const { clock, world } = simulation;
        await simulation.startDaemon('d1');
        const runId = await simulation.startRun({ operations: people });
        await clock.run(() => simulation.hasEnded, clock.nowMs() + atMs);
        if (simulation.hasEnded) break;
        await simulation.settle(people.stop(runId, 'ann'));
        await simulation.runToEnd();
        const run = await simulation.settle(people.run(runId));
        expect(run.status).toBe('undone');
        for (const { name, phase } of run.servers) {
          ends.add(phase);
          expect([name, phase, world.machines.get(name)?.boots]).toEqual([name, phase, phase === 'done' ? 1 : 0]);
        }
        await expectSound(checker);
      }
      expect([...ends].sort()).toEqual(['done', 'pending', 'undone']);
    },
  );

  it('a retry goes on with a run that had ended, also when its wake-up is lost', async () => {
    const { simulation, checker, people } = simulate();
    const { clock, world, wakeUps } = simulation;
    await simulation.startDaemon('d1');
    const machine = world.machines.get('a');
    if (machine) machine.faults.neverBoots = true;
    const runId = await simulation.startRun({ operations: people });
    await simulation.runToEnd();
    const failed = await simulation.settle(people.run(runId));
    expect(failed.servers.map(({ phase }) => phase)).toContain('halted');
    if (machine) machine.faults.neverBoots = false;
    await clock.run(() => false, clock.nowMs() + hourMs);
    wakeUps.faults.loseShare = 1;
    await simulation.settle(people.retry(runId, 'a', 'ann'));
    wakeUps.faults.loseShare = 0;
    await simulation.runToEnd(hourMs);
    const run = await simulation.settle(people.run(runId));
    expect(run).toMatchObject({ status: 'done', counts: { done: 2 } });
    await expectSound(checker);
  });

  it('leaves a server off that somebody switches off after it was switched on, and takes it up again after a retry', async () => {
    const { simulation, checker, people } = simulate();
    const { clock, world } = simulation;
    await simulation.startDaemon('d1');
    const machine = mustHave(world.machines.get('a'));
    Object.assign(machine.faults, { shutdownHangs: true });
    const runId = await simulation.startRun({ operations: people });
    await clock.run(() => machine.powerCycles === 1, clock.nowMs() + hourMs);
    expect(machine.powerCycles).toBe(1);
    await clock.run(() => false, clock.nowMs() + 20_000);
    machine.setPower('off');
    await clock.run(() => false, clock.nowMs() + 60_000);
    const waiting = await simulation.settle(people.run(runId));
    expect(waiting.servers[0]?.hold).toMatchObject({
      kind: 'blocked',
      by: expect.stringMatching(/^the power went off again/),
    });
    await simulation.runToEnd();
    expect(machine).toMatchObject({ power: 'off', powerCycles: 1 });
    const halted = await simulation.settle(people.run(runId));
    expect(halted.servers[0]).toMatchObject({ phase: 'halted', lastError: { code: 'reboot/switched-off' } });
    machine.setPower('on');
    checker.noteForeignBoot('a', 'powerOn');
    await clock.run(() => false, clock.nowMs() + hourMs);
    await simulation.settle(people.retry(runId, 'a', 'ann'));
    await simulation.runToEnd();
    expect(await simulation.settle(people.run(runId))).toMatchObject({ status: 'done', counts: { done: 2 } });
    expect(machine.powerCycles).toBe(2);
    await expectSound(checker);
  });

  it('a server that finds no room, because another is down for good, gives its place back with the reason', async () => {
    const { simulation, checker, people } = simulate();
    const { clock, world } = simulation;
    await simulation.startDaemon('d1');
    const runId = await simulation.startRun({ operations: people });
    const hasBegun = (): boolean =>
      simulation.journal.snapshot().some(({ entry: { event } }) => event.kind === 'stepStarted');
    const api = world.api.store;
    // `b` is cordoned by somebody while `a` prepares itself, and the budget is 1.
    await clock.run(hasBegun, clock.nowMs() + hourMs);
    checker.foreignCordons.add('b');
    const node = mustHave(api.get(kinds.nodes, undefined, 'b'));
    api.replace(kinds.nodes, node, { ...node, spec: { ...node.spec, unschedulable: true } });
    await clock.run(() => false, clock.nowMs() + 10 * 60_000);
    const waiting = await simulation.settle(people.run(runId));
    expect(waiting.servers[0]).toMatchObject({ phase: 'cordoning', hold: { kind: 'waiting', for: 'budget' } });
    await clock.run(() => simulation.hasEnded, clock.nowMs() + 25 * 60_000);
    const [a] = (await simulation.settle(people.run(runId))).servers;
    expect(a).toMatchObject({ phase: 'undone', lastError: { code: 'run/no-room' } });
    expect(a?.reason).toBe('no room for 30 min: b unavailable, at most 1 may be');
    const again = mustHave(api.get(kinds.nodes, undefined, 'b'));
    checker.foreignCordons.delete('b');
    api.replace(kinds.nodes, again, { ...again, spec: { ...again.spec, unschedulable: false } });
    // `b` got its place meanwhile, and a foreign cordon is respected.
    for (const server of ['a', 'b']) await simulation.settle(people.retry(runId, server, 'ann'));
    await simulation.runToEnd();
    expect(await simulation.settle(people.run(runId))).toMatchObject({ status: 'done', counts: { done: 2 } });
    await expectSound(checker);
  });
});
