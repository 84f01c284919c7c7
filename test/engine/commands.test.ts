/** What people may ask when, on the engine in virtual time. */
import { describe, expect, it } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { plan, playbook, Simulation, type Daemon, type Shape } from '../simulation/harness.ts';
import type { MachineFaults } from '../../src/simulator/machine.ts';

interface Setting {
  readonly simulation: Simulation;
  readonly daemon: Daemon;
}

async function setting(
  rollout: Record<string, unknown> = {},
  faults: Partial<MachineFaults> = {},
  tamper?: Shape['tamper'],
): Promise<Setting> {
  const simulation = new Simulation({
    seed: 3,
    servers: ['a', 'b'].map((name) => ({
      name,
      bootMs: 30_000,
      shutdownMs: 2_000,
      faults: name === 'a' ? faults : {},
    })),
    ...(tamper ? { tamper } : {}),
    workloads: [{ kind: 'deployment', name: 'web', replicas: 2 }],
    plan: plan({ rollout }),
    playbook: playbook({
      service: [
        { ssh: { run: 'apt-get -y install linux-image-amd64' } },
        { reboot: { timeout: '2m', expect: { kernel: '${newest}' } } },
      ],
    }),
  });
  return { simulation, daemon: await simulation.startDaemon('d') };
}

/** Lets time pass until the server is in this phase. */
async function untilPhase(
  { simulation, daemon }: Setting,
  runId: string,
  server: string,
  phase: string,
): Promise<void> {
  for (let rounds = 0; rounds < 600; rounds += 1) {
    const run = await simulation.settle(daemon.operations.run(runId));
    if (run.servers.find((row) => row.name === server)?.phase === phase) return;
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 1_000);
  }
  throw new Error(`${server} never came to ${phase}`);
}

async function refusal(simulation: Simulation, work: Promise<unknown>): Promise<string> {
  const error: unknown = await simulation.settle(work).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MaintenanceError)) throw new Error('it was not refused');
  return `${error.code}: ${error.message}`;
}

describe('a run', () => {
  it('that is paused stops before the next step that counts, and goes on when it is resumed', async () => {
    const world = await setting();
    const { simulation, daemon } = world;
    const runId = await simulation.startRun(daemon);
    await untilPhase(world, runId, 'a', 'evacuating');
    await simulation.settle(daemon.operations.pause(runId, 'anna'));
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 600_000);
    const held = await simulation.settle(daemon.operations.run(runId));
    expect(held).toMatchObject({
      status: 'paused',
      servers: [{ hold: { kind: 'paused', by: 'anna' } }, { phase: 'pending' }],
    });
    expect(simulation.world.machines.get('a')?.boots).toBe(0);
    expect(await refusal(simulation, daemon.operations.pause(runId, 'ben'))).toContain('paused already (by anna)');
    await simulation.settle(daemon.operations.resume(runId, 'anna'));
    await simulation.runToEnd();
    expect(await simulation.settle(daemon.operations.run(runId))).toMatchObject({ status: 'done' });
  });

  it('that is stopped brings back what can be brought back', async () => {
    const world = await setting();
    const { simulation, daemon } = world;
    const runId = await simulation.startRun(daemon);
    await untilPhase(world, runId, 'a', 'evacuating');
    await simulation.settle(daemon.operations.stop(runId, 'anna'));
    await simulation.runToEnd();
    const run = await simulation.settle(daemon.operations.run(runId));
    expect(run).toMatchObject({ status: 'undone', reason: 'stopped by anna; 0 of 2 servers were done' });
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'uncordoned' });
    expect(simulation.world.machines.get('a')?.boots).toBe(0);
  });

  it('that is stopped while a server reboots lets it come back first', async () => {
    const world = await setting();
    const { simulation, daemon } = world;
    const runId = await simulation.startRun(daemon);
    await untilPhase(world, runId, 'a', 'rebooting');
    expect(await refusal(simulation, daemon.operations.skip(runId, 'a', 'anna'))).toContain('in service or rebooting');
    await simulation.settle(daemon.operations.stop(runId, 'anna'));
    await simulation.runToEnd();
    const run = await simulation.settle(daemon.operations.run(runId));
    expect(run).toMatchObject({ status: 'undone', servers: [{ phase: 'done' }, { phase: 'pending' }] });
  });

  it('that halted goes on where it was when a person has mended the server and asks for a retry', async () => {
    const { simulation, daemon } = await setting({}, { neverBoots: true });
    const runId = await simulation.startRun(daemon);
    await simulation.runToEnd();
    const halted = await simulation.settle(daemon.operations.run(runId));
    expect(halted).toMatchObject({ status: 'halted', servers: [{ phase: 'halted' }, { phase: 'pending' }] });
    const machine = simulation.world.machines.get('a');
    if (machine) machine.faults.neverBoots = false;
    machine?.setPower('off');
    machine?.setPower('on');
    await simulation.clock.run(() => machine?.system === 'up');
    await simulation.settle(daemon.operations.retry(runId, 'a', 'anna'));
    await simulation.runToEnd();
    expect(await simulation.settle(daemon.operations.run(runId))).toMatchObject({
      status: 'done',
      counts: { done: 2 },
    });
    // What the person did was the reboot that the run had asked for: there was no other.
    expect(machine?.boots).toBe(1);
  });

  it('that halted goes on without a server that is skipped, which stays cordoned in our name', async () => {
    const { simulation, daemon } = await setting({}, { neverBoots: true });
    const runId = await simulation.startRun(daemon);
    await simulation.runToEnd();
    await simulation.settle(daemon.operations.skip(runId, 'a', 'anna'));
    await simulation.runToEnd();
    const run = await simulation.settle(daemon.operations.run(runId));
    expect(run.counts).toMatchObject({ done: 0, skipped: 1 });
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'cordoned', by: runId });
  });

  it('waits for an approval between waves, and for nobody else’s', async () => {
    const { simulation, daemon } = await setting({ waves: [{ servers: 1, approval: 'required' }, { servers: 1 }] });
    const runId = await simulation.startRun(daemon);
    expect(await refusal(simulation, daemon.operations.approve(runId, 'anna'))).toContain(
      'does not wait for an approval',
    );
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 1_800_000);
    const waiting = await simulation.settle(daemon.operations.run(runId));
    expect(waiting).toMatchObject({ hold: { kind: 'waiting', for: 'approval' }, counts: { done: 1 } });
    await simulation.settle(daemon.operations.approve(runId, 'anna'));
    await simulation.runToEnd();
    expect(await simulation.settle(daemon.operations.run(runId))).toMatchObject({
      status: 'done',
      counts: { done: 2 },
    });
  });

  it('is refused while another one has one of its servers', async () => {
    const { simulation, daemon } = await setting();
    const runId = await simulation.startRun(daemon);
    const again = await refusal(simulation, daemon.operations.start({ plan: 'weekly', by: 'ben' }));
    expect(again).toBe(`run/refused: a belongs to run ${runId} (weekly), which has not ended`);
  });
});

describe('two people at the same moment', () => {
  it('start one run, by way of whichever daemons: the servers belong to one of them', async () => {
    const { simulation, daemon } = await setting();
    const consoles = [simulation.startConsole('x'), simulation.startConsole('y'), daemon.operations];
    const asked = await simulation.settle(
      Promise.allSettled(consoles.map((one, index) => one.start({ plan: 'weekly', by: `person-${index}` }))),
    );
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const reasons = asked.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
    expect(reasons).toEqual([
      expect.stringMatching(/a belongs to run .* which has not ended/),
      expect.stringMatching(/a belongs to run .* which has not ended/),
    ]);
    expect(await simulation.journal.runIds()).toHaveLength(1);
  });

  it('wait for a daemon that was killed while it started one, and not for ever', async () => {
    const { simulation, daemon } = await setting();
    simulation.table.grant('runs', 'killed');
    simulation.table.forget('killed', 15_000);
    await simulation.startRun(daemon);
    simulation.table.grant('runs', 'stuck');
    expect(await refusal(simulation, daemon.operations.evacuate('a', 'anna'))).toContain('just being started by stuck');
  });
});

describe('a run that has ended', () => {
  it('does not go on while another one has a server that it still has to do', async () => {
    const { simulation, daemon } = await setting({}, { neverBoots: true });
    const first = await simulation.startRun(daemon);
    await simulation.runToEnd();
    const { runId } = await simulation.settle(daemon.operations.evacuate('b', 'anna'));
    for (const ask of ['retry', 'skip'] as const) {
      const why = await refusal(simulation, daemon.operations[ask](first, 'a', 'ben'));
      expect(why).toBe(`run/refused: b belongs to run ${runId} (b), which has not ended`);
    }
    await simulation.settle(daemon.operations.stop(runId, 'anna'));
    await simulation.runToEnd();
    await simulation.settle(daemon.operations.retry(first, 'a', 'ben'));
  });
});

describe('the single verbs of a server', () => {
  it('evacuate leaves it cordoned and empty in our name, and return lifts exactly that cordon', async () => {
    const { simulation, daemon } = await setting();
    const { runId } = await simulation.settle(daemon.operations.evacuate('a', 'anna'));
    await simulation.runToEnd();
    expect(await simulation.settle(daemon.operations.run(runId))).toMatchObject({
      status: 'done',
      purpose: 'evacuate',
    });
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'cordoned', by: runId });
    const summary = (await simulation.settle(daemon.operations.servers())).find((server) => server.name === 'a');
    expect(summary).toMatchObject({ pods: 0, state: `ready, cordoned by run ${runId}` });
    const back = await simulation.settle(daemon.operations.returnServer('a', 'anna'));
    await simulation.runToEnd();
    expect(await simulation.settle(daemon.operations.run(back.runId))).toMatchObject({ status: 'done' });
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'uncordoned', by: runId });
  });

  it('return refuses a node that nobody, or somebody else, has cordoned', async () => {
    const { simulation, daemon } = await setting();
    expect(await refusal(simulation, daemon.operations.returnServer('a', 'anna'))).toContain('it is not cordoned');
  });

  it('return takes back nothing that is halted, or that is down', async () => {
    const { simulation, daemon } = await setting({}, { neverBoots: true });
    const runId = await simulation.startRun(daemon);
    await simulation.runToEnd();
    const back = (): Promise<string> => refusal(simulation, daemon.operations.returnServer('a', 'anna'));
    expect(await back()).toContain(`a is halted in run ${runId}`);
    await simulation.settle(daemon.operations.skip(runId, 'a', 'anna'));
    await simulation.runToEnd();
    expect(await back()).toContain('node a is not Ready');
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'cordoned', by: runId });
    const machine = simulation.world.machines.get('a');
    if (machine) machine.faults.neverBoots = false;
    machine?.setPower('off');
    machine?.setPower('on');
    await simulation.clock.run(() => machine?.system === 'up');
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 60_000);
    await simulation.settle(daemon.operations.returnServer('a', 'anna'));
    await simulation.runToEnd();
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'uncordoned', by: runId });
  });

  it('return waits until SSH and Kubernetes tell of the same boot, whatever Ready says', async () => {
    const { simulation, daemon } = await setting();
    await simulation.settle(daemon.operations.evacuate('a', 'anna'));
    await simulation.runToEnd();
    const machine = simulation.world.machines.get('a');
    if (machine) machine.faults.sshHangs = true;
    const { runId } = await simulation.settle(daemon.operations.returnServer('a', 'anna'));
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 30_000);
    expect(await simulation.settle(daemon.operations.run(runId))).toMatchObject({ status: 'running' });
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'cordoned' });
    if (machine) machine.faults.sshHangs = false;
    await simulation.runToEnd();
    expect(await simulation.settle(daemon.operations.run(runId))).toMatchObject({ status: 'done' });
    expect(simulation.world.cordons.of('a').at(-1)).toMatchObject({ kind: 'uncordoned' });
  });

  it('power goes off, is read to be off, and goes on; never while a run works on the server', async () => {
    const world = await setting();
    const { simulation, daemon } = world;
    expect(await simulation.settle(daemon.operations.power('b', { verb: 'cycle' }, 'anna'))).toBe('on');
    expect(simulation.world.machines.get('b')?.powerCycles).toBe(1);
    const runId = await simulation.startRun(daemon);
    await untilPhase(world, runId, 'a', 'evacuating');
    expect(await refusal(simulation, daemon.operations.power('a', { verb: 'off' }, 'anna'))).toContain('lease/held');
  });

  it('power is not taken from a server that a run has yet to come to, unless the person insists', async () => {
    const world = await setting();
    const { simulation, daemon } = world;
    const { operations } = daemon;
    const runId = await simulation.startRun(daemon);
    await untilPhase(world, runId, 'a', 'evacuating');
    const standing = await simulation.settle(operations.server('b'));
    expect(standing.runs).toEqual([{ runId, plan: 'weekly', stage: 'pending' }]);
    for (const verb of ['off', 'cycle'] as const) {
      const why = await refusal(simulation, operations.power('b', { verb }, 'anna'));
      expect(why).toBe(`run/refused: ${standing.keepsPower}`);
      expect(why).toContain(`\`pitcrew skip ${runId} b\` takes it out of the run`);
    }
    expect(simulation.world.machines.get('b')).toMatchObject({ power: 'on', powerCycles: 0 });
    // Nothing is lost by switching it on.
    expect(await simulation.settle(operations.power('b', { verb: 'on' }, 'anna'))).toBe('on');
    expect(await simulation.settle(operations.power('b', { verb: 'cycle', force: true }, 'anna'))).toBe('on');
    const forced = (await simulation.settle(operations.runs())).filter(({ purpose }) => purpose === 'power');
    const histories = forced.map((run) => simulation.settle(operations.history({ runId: run.runId })));
    const events = (await Promise.all(histories)).flat().map(({ event }) => event);
    expect(events).toContainEqual({ kind: 'powerByHand', server: 'b', verb: 'cycle', by: 'anna', despite: runId });
  });

  it('power may be taken from a server that a run has been told to skip, and from one that it halted at', async () => {
    const { simulation, daemon } = await setting({ haltAfter: { failures: 1 } }, { neverBoots: true });
    const { operations } = daemon;
    const runId = await simulation.startRun(daemon);
    await simulation.settle(operations.skip(runId, 'b', 'anna'));
    expect(await simulation.settle(operations.power('b', { verb: 'off' }, 'anna'))).toBe('off');
    await simulation.settle(operations.power('b', { verb: 'on' }, 'anna'));
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 3_600_000);
    expect(await simulation.settle(operations.run(runId))).toMatchObject({ status: 'halted' });
    expect(await simulation.settle(operations.power('a', { verb: 'cycle' }, 'anna'))).toBe('on');
  });

  it('a lease is respected by force too', async () => {
    const world = await setting();
    const { simulation, daemon } = world;
    const runId = await simulation.startRun(daemon);
    await untilPhase(world, runId, 'a', 'evacuating');
    const forced = daemon.operations.power('a', { verb: 'off', force: true }, 'anna');
    expect(await refusal(simulation, forced)).toContain('lease/held');
  });

  it('how a server stands is known although Kubernetes does not answer, only not what runs there', async () => {
    let isAway = false;
    const { simulation, daemon } = await setting({}, {}, (_daemon, doors) => {
      const { cluster } = doors;
      const view = cluster.view.bind(cluster);
      cluster.view = (signal) =>
        isAway ? Promise.reject(new MaintenanceError('cluster/unreachable', 'retry', 'no answer')) : view(signal);
      return doors;
    });
    expect((await simulation.settle(daemon.operations.server('a'))).pods).toBeGreaterThan(0);
    isAway = true;
    const standing = await simulation.settle(daemon.operations.server('a'));
    expect(standing).toMatchObject({ name: 'a', runs: [] });
    expect(standing.pods).toBeUndefined();
  });

  it('a name that is nearly right is refused with the right one', async () => {
    const { simulation, daemon } = await setting();
    const { operations } = daemon;
    const runId = await simulation.startRun(daemon);
    const told = (work: Promise<unknown>): Promise<string> => refusal(simulation, work);
    expect(await told(operations.server('aa'))).toBe(
      'api/not-found: no server named aa in the inventory; did you mean "a"?',
    );
    expect(await told(operations.start({ plan: 'weekyl', by: 'anna' }))).toContain('did you mean "weekly"?');
    const wrong = `${runId.slice(0, -1)}_`;
    expect(await told(operations.run(wrong))).toBe(`api/not-found: there is no run ${wrong}; did you mean "${runId}"?`);
    // Ids are made by chance: two letters more make another run.
    expect(await told(operations.run(`${runId.slice(0, -2)}__`))).not.toContain('did you mean');
    const server = 'bb';
    const asks = [
      () => operations.skip(runId, server, 'anna'),
      () => operations.history({ runId, server }),
      () => operations.output({ runId, server }),
    ];
    for (const ask of asks) {
      expect(await told(ask())).toContain(`run ${runId} has no server bb; did you mean "b"?`);
    }
  });

  it('power by hand is written down before the BMC is asked, with who asked and how it ended', async () => {
    const { simulation, daemon } = await setting();
    const { operations } = daemon;
    await simulation.settle(operations.power('b', { verb: 'status' }, 'anna'));
    expect(await simulation.settle(operations.runs())).toEqual([]);
    await simulation.settle(operations.power('b', { verb: 'cycle' }, 'anna'));
    const [run] = await simulation.settle(operations.runs());
    expect(run).toMatchObject({
      purpose: 'power',
      plan: 'b',
      status: 'done',
      counts: { total: 1, done: 1, active: 0 },
    });
    const history = await simulation.settle(operations.history({ runId: run?.runId ?? '' }));
    expect(history.map(({ event }) => event)).toMatchObject([
      { kind: 'runCreated' },
      { kind: 'powerByHand', server: 'b', verb: 'cycle', by: 'anna' },
      { kind: 'serverAdmitted' },
      { kind: 'serverEnded', outcome: 'done' },
      { kind: 'runEnded', outcome: 'done', reason: 'the BMC says power on' },
    ]);
    for (const ask of ['retry', 'skip'] as const) {
      expect(await refusal(simulation, operations[ask](run?.runId ?? '', 'b', 'ben'))).toContain('run/refused');
    }
  });

  it('power by hand whose daemon is killed is ended by another one, says that nobody saw it, and is not repeated', async () => {
    const { simulation, daemon } = await setting();
    const victim = await simulation.startDaemon('victim', { call: 1, effect: 'after', method: 'requestPower' });
    void victim.operations.power('b', { verb: 'cycle' }, 'anna').catch(() => undefined);
    await simulation.clock.run(() => simulation.hasEnded, simulation.clock.nowMs() + 600_000);
    expect(victim.isKilled()).toBe(true);
    const [run] = await simulation.settle(daemon.operations.runs());
    expect(run).toMatchObject({ purpose: 'power', status: 'halted' });
    expect(run?.reason).toContain('the daemon ended in between; `pitcrew power b status`');
    expect(simulation.world.machines.get('b')).toMatchObject({ power: 'off', powerCycles: 0 });
    // Nobody is kept from working on that server.
    await simulation.settle(daemon.operations.power('b', { verb: 'on' }, 'ben'));
  });
});
