/** The rebalancing after the last wave, in a whole simulated installation. */
import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { mustHave, plan, playbook, Simulation, type Daemon, type KillAt } from './harness.ts';
import type { Operations } from '../../src/engine/operations.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { SimulatedPaguro } from '../../src/simulator/migrators/paguro.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { RunView } from '../../src/workflow/run-view.ts';

const minuteMs = 60_000;
const probe = 'apt-get -s install linux-image-amd64 | grep -q ^Inst && exit 0; exit 1';

/** Three are up to date and keep their pods; `d` is emptied, and comes back with nothing on it. */
const servers: WorldServer[] = ['a', 'b', 'c', 'd'].map((name) => ({
  name,
  cpu: '10',
  bootMs: minuteMs,
  shutdownMs: 5_000,
  ...(name === 'd' ? {} : { kernel: '6.12.94-amd64', labels: { old: 'yes' } }),
}));

function webs(change: Partial<WorldWorkload> = {}): WorldWorkload[] {
  return Array.from({ length: 8 }, (_, index) => ({
    kind: 'deployment',
    name: `web${index}`,
    namespace: 'shop',
    replicas: 3,
    cpu: '800m',
    budget: { maxUnavailable: 1 },
    ...change,
  })) as WorldWorkload[];
}

interface Story {
  readonly simulation: Simulation;
  readonly checker: Checker;
  readonly people: Operations;
  readonly first: Daemon;
  readonly runId: string;
}

interface StoryShape {
  readonly spec?: Record<string, unknown>;
  readonly workloads?: WorldWorkload[];
  readonly isAllOld?: boolean;
  readonly killAt?: KillAt | undefined;
  /** Before any time passes. */
  readonly prepare?: (simulation: Simulation, checker: Checker) => void;
}

const spread = { policy: 'spread', maxMoves: 6 };

async function begin({
  spec = {},
  workloads = webs(),
  isAllOld = false,
  killAt,
  prepare,
}: StoryShape = {}): Promise<Story> {
  const checker = new Checker();
  const simulation = new Simulation({
    seed: 1,
    servers: isAllOld ? servers.map(({ kernel: _kernel, ...server }) => server) : servers,
    workloads,
    plan: plan({ rollout: { maxUnavailable: 1 }, rebalance: spread, ...spec }),
    playbook: playbook({ needed: [{ ssh: { run: probe, needed: 'exit 0' } }] }),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  prepare?.(simulation, checker);
  // What is as young as the run counts as moved by it.
  await simulation.clock.run(() => false, simulation.clock.nowMs() + 10 * minuteMs);
  const people = simulation.startConsole('people');
  const first = await simulation.startDaemon('first', killAt);
  return { simulation, checker, people, first, runId: await simulation.startRun({ operations: people }) };
}

function look({ simulation, people, runId }: Story): Promise<RunView> {
  return simulation.settle(people.run(runId));
}

async function expectSound({ checker, simulation }: Story): Promise<void> {
  await checker.finish();
  expect(checker.violations).toEqual([]);
  expect(simulation.log.filter(({ level }) => level === 'error')).toEqual([]);
  const released = simulation.world.api.store
    .list(kinds.pods)
    .filter(({ metadata }) => metadata.labels?.['pod-template-hash']?.endsWith('-released'));
  expect(released).toEqual([]);
}

async function untilFirstMove(story: Story): Promise<void> {
  const { simulation } = story;
  const hasBegun = (): boolean =>
    simulation.journal.snapshot().some(({ entry }) => entry.event.kind === 'rebalanceMoveStarted');
  await simulation.clock.run(hasBegun, simulation.clock.nowMs() + 60 * minuteMs);
  expect(hasBegun()).toBe(true);
}

/** Kind by kind, in the order of the journal. */
function rebalanceEvents({ simulation }: Story): string[] {
  return simulation.journal
    .snapshot()
    .map(({ entry }) => entry.event.kind)
    .filter((kind) => kind.startsWith('rebalance'));
}

it('a probe whether anything is needed is finished in the journal like every other action', async () => {
  const story = await begin({ spec: { rebalance: undefined } });
  expect(await story.simulation.runToEnd()).toBe('done');
  const kindsSeen = story.simulation.journal.snapshot().map(({ entry }) => entry.event.kind);
  const count = (kind: string): number => kindsSeen.filter((seen) => seen === kind).length;
  expect(count('actionStarted')).toBeGreaterThan(4);
  expect(count('actionFinished')).toBe(count('actionStarted'));
});

describe('rebalancing after the last wave', () => {
  it('evens out the servers with few moves, and says before and after', async () => {
    const story = await begin();
    expect(await story.simulation.runToEnd()).toBe('done');
    const run = await look(story);
    expect(run).toMatchObject({ status: 'done', counts: { done: 4 }, podsMoved: 6 });
    expect(run.rebalance).toMatchObject({
      before: { points: 64, emptiest: { node: 'd', percent: 0 } },
      now: { points: 16 },
      moved: 5,
      failed: 0,
      hasEnded: true,
      reason: '',
    });
    expect(rebalanceEvents(story).slice(0, 4)).toEqual([
      'rebalanceStarted',
      'rebalanceMoveStarted',
      'rebalanceMoveChanged',
      'rebalanceMeasured',
    ]);
    await expectSound(story);
  });

  it('makes no more moves than the plan allows', async () => {
    const story = await begin({ spec: { rebalance: { policy: 'spread', maxMoves: 2 } } });
    await story.simulation.runToEnd();
    const { rebalance } = await look(story);
    expect(rebalance).toMatchObject({ moved: 2, reason: 'as many moves as the plan allows: 2' });
    await expectSound(story);
  });

  it('restarts no pod a second time: what the run has moved stays where it is', async () => {
    const story = await begin({ isAllOld: true });
    await story.simulation.runToEnd();
    const run = await look(story);
    expect(run).toMatchObject({ status: 'done', rebalance: { moved: 0, before: { points: 64 }, now: { points: 64 } } });
    expect(run.rebalance?.reason).toContain('was moved by this run already');
    await expectSound(story);
  });

  it('restarts no pod that the plan never restarts', async () => {
    const evacuation = { rules: [{ match: { namespaces: ['shop'] }, restart: 'never' }] };
    const workloads = webs({ nodeSelector: { old: 'yes' } });
    const story = await begin({ spec: { evacuation }, workloads });
    await story.simulation.runToEnd();
    const run = await look(story);
    expect(run.rebalance).toMatchObject({ moved: 0, before: { points: 64 }, reason: 'no further move would help' });
    await expectSound(story);
  });

  it('returns nothing where no pod can move alive, and says so', async () => {
    const story = await begin({ spec: { rebalance: { policy: 'return' } } });
    await story.simulation.runToEnd();
    const { status, rebalance } = await look(story);
    expect(status).toBe('done');
    expect(rebalance).toMatchObject({ moved: 0, reason: 'no pod that was moved can go back alive' });
    await expectSound(story);
  });

  it('begins no move while the run is paused, and goes on afterwards with all of its time', async () => {
    const story = await begin();
    const { simulation, people, runId } = story;
    await untilFirstMove(story);
    await simulation.settle(people.pause(runId, 'ann'));
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 120 * minuteMs);
    const paused = await look(story);
    expect(paused).toMatchObject({
      status: 'paused',
      hold: { kind: 'paused' },
      rebalance: { moved: 1, hasEnded: false },
    });
    await simulation.settle(people.resume(runId, 'ann'));
    await simulation.runToEnd();
    expect(await look(story)).toMatchObject({ status: 'done', rebalance: { moved: 5, reason: '' } });
    await expectSound(story);
  });

  it('ends with a stop, which calls the move under way back; the run is done all the same', async () => {
    const story = await begin();
    const { simulation, people, runId } = story;
    await untilFirstMove(story);
    await simulation.settle(people.stop(runId, 'ann'));
    await simulation.runToEnd();
    const run = await look(story);
    expect(run).toMatchObject({ status: 'done', rebalance: { hasEnded: true, reason: 'stopped by ann' } });
    expect(run.rebalance?.moved).toBeLessThanOrEqual(1);
    await simulation.clock.run(() => false, simulation.clock.nowMs() + 5 * minuteMs);
    await expectSound(story);
  });

  it('ends where the workload of a moved pod does not come back, and so does the run', async () => {
    const story = await begin({
      spec: { evacuation: { prefer: ['evict'], localData: 'lose' } },
      workloads: webs({ readyAfter: '12m' }),
    });
    await story.simulation.runToEnd();
    const run = await look(story);
    expect(run).toMatchObject({ status: 'done', rebalance: { moved: 1, hasEnded: true } });
    expect(run.rebalance?.reason).toMatch(/^shop\/web\d-\S+ was not Ready 5 min after a move$/);
    await expectSound(story);
  });

  it('waits for a server that is out of service, for a while, and moves nothing meanwhile', async () => {
    const story = await begin();
    const { simulation, checker } = story;
    await untilFirstMove(story);
    const node = simulation.world.api.store.get(kinds.nodes, undefined, 'a');
    checker.foreignCordons.add('a');
    if (node)
      simulation.world.api.store.replace(kinds.nodes, node, { ...node, spec: { ...node.spec, unschedulable: true } });
    await simulation.runToEnd();
    const run = await look(story);
    expect(run).toMatchObject({ status: 'done', rebalance: { moved: 1, reason: 'a out of service' } });
    await expectSound(story);
  });

  it('goes on to the same end from every entry of its journal', { timeout: 120_000 }, async () => {
    const spec = { rebalance: { policy: 'spread', maxMoves: 3 } };
    const whole = await begin({ spec });
    await whole.simulation.runToEnd();
    const end = (await look(whole)).rebalance;
    const entries = whole.simulation.journal.snapshot();
    const firstCall = entries.findIndex(({ entry }) => entry.event.kind === 'rebalanceStarted');
    let kills = 0;
    for (const effect of ['before', 'after'] as const) {
      for (let call = firstCall - 2; ; call += 1) {
        const story = await begin({ spec, killAt: { method: 'append', call, effect } });
        const { simulation, first } = story;
        await simulation.clock.run(() => first.isKilled() || simulation.hasEnded);
        if (!first.isKilled()) break;
        kills += 1;
        await simulation.startDaemon('second');
        if (!simulation.hasEnded) await simulation.runToEnd();
        const run = await look(story);
        expect({ effect, call, status: run.status, ...run.rebalance }).toMatchObject({
          status: 'done',
          moved: end?.moved,
          failed: 0,
          now: { points: end?.now.points },
          reason: end?.reason,
        });
        await expectSound(story);
      }
    }
    expect(kills).toBeGreaterThan(20);
  });
});

describe('rebalancing alive', () => {
  const labels = { 'paguro.dev/migratable': 'true' };
  /** All four are emptied, so every pod has been moved, some of them twice. */
  async function tellAlive(
    rebalance: object,
    killAt?: KillAt,
  ): Promise<{ story: Story; paguro: SimulatedPaguro; origins: string[] }> {
    const evacuation = { prefer: ['live'], rules: [{ match: { namespaces: ['shop'] }, restart: 'never' }] };
    const spec = { evacuation, rebalance };
    let paguro: SimulatedPaguro | undefined;
    const prepare = (simulation: Simulation, checker: Checker): void => {
      paguro = new SimulatedPaguro(simulation.world);
      checker.migrators.push(paguro);
    };
    const workloads = webs({ labels, budget: { minAvailable: 3 } });
    const story = await begin({ spec, workloads, isAllOld: true, killAt, prepare });
    const origins = story.simulation.world.api.store
      .list(kinds.pods)
      .filter(({ metadata }) => metadata.namespace === 'shop')
      .map(({ metadata }) => metadata.uid);
    await story.simulation.clock.run(() => story.first.isKilled() || story.simulation.hasEnded);
    if (story.first.isKilled()) await story.simulation.startDaemon('second');
    if (!story.simulation.hasEnded) await story.simulation.runToEnd();
    return { story, paguro: mustHave(paguro), origins };
  }

  /** How often each memory was moved, and after the last wave. */
  function movesOf({
    story,
    paguro,
  }: {
    story: Story;
    paguro: SimulatedPaguro;
  }): Map<string, { all: number; late: number }> {
    const counts = new Map<string, { all: number; late: number }>();
    for (const { entry } of story.simulation.journal.snapshot()) {
      const { event } = entry;
      const isLate = event.kind === 'rebalanceMoveChanged';
      const change = isLate ? event.change : event;
      if (change.kind !== 'moveFinished' || change.result !== 'done') continue;
      const origin = paguro.memories.originOf(change.pod.uid);
      const before = counts.get(origin) ?? { all: 0, late: 0 };
      counts.set(origin, { all: before.all + 1, late: before.late + (isLate ? 1 : 0) });
    }
    return counts;
  }

  async function expectAllKept({ story, paguro, origins }: Awaited<ReturnType<typeof tellAlive>>): Promise<void> {
    const pods = story.simulation.world.api.store.list(kinds.pods);
    const kept = new Set(pods.map(({ metadata }) => paguro.memories.originOf(metadata.uid)));
    expect(origins.filter((origin) => !kept.has(origin))).toEqual([]);
    expect(story.simulation.world.evictionsByUid.size).toBe(0);
    await expectSound(story);
  }

  it('moves pods a second time, never a third, and keeps every memory', async () => {
    const told = await tellAlive({ policy: 'spread', maxMoves: 20 });
    const { rebalance } = await look(told.story);
    expect(rebalance).toMatchObject({ before: { points: 64 }, now: { points: 16 }, moved: 5, failed: 0, reason: '' });
    const late = [...movesOf(told).values()].filter((count) => count.late > 0);
    expect(late.map(({ all }) => all)).toEqual([2, 2, 2, 2, 2]);
    await expectAllKept(told);
  });

  it('brings pods back to where the run has found them', async () => {
    const told = await tellAlive({ policy: 'return', maxMoves: 100 });
    const { rebalance } = await look(told.story);
    expect(rebalance).toMatchObject({ failed: 0, reason: 'no more pod that was moved can go back alive' });
    expect(rebalance?.moved).toBeGreaterThan(10);
    expect(Math.max(...[...movesOf(told).values()].filter(({ late }) => late > 0).map(({ all }) => all))).toBe(2);
    await expectAllKept(told);
  });

  it('survives a daemon that is killed on the way', { timeout: 120_000 }, async () => {
    const rebalance = { policy: 'spread', maxMoves: 2 };
    const whole = await tellAlive(rebalance);
    const end = (await look(whole.story)).rebalance;
    const entries = whole.story.simulation.journal.snapshot();
    const firstCall = entries.findIndex(({ entry }) => entry.event.kind === 'rebalanceStarted');
    let kills = 0;
    for (let call = firstCall; ; call += 2) {
      const told = await tellAlive(rebalance, { method: 'append', call, effect: kills % 2 === 0 ? 'before' : 'after' });
      if (!told.story.first.isKilled()) break;
      kills += 1;
      const run = await look(told.story);
      expect({ call, ...run.rebalance }).toMatchObject({ moved: 2, failed: 0, now: end?.now, reason: end?.reason });
      await expectAllKept(told);
    }
    expect(kills).toBeGreaterThan(4);
  });
});
