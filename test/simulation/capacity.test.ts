import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { plan, playbook, Simulation } from './harness.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

function world(servers: WorldServer[], workloads: WorldWorkload[], rollout: object) {
  const checker = new Checker();
  const simulation = new Simulation({
    seed: 3,
    servers,
    workloads,
    plan: plan({ rollout, evacuation: { prefer: ['evict'], barePods: 'lose' } }),
    playbook: playbook(),
    tamper: (daemon, doors) => checker.watch(daemon, doors),
  });
  checker.attach(simulation);
  return { checker, simulation };
}

/** The most servers that were cordoned at one time. */
function mostOut(simulation: Simulation, names: readonly string[]): number {
  let out = 0;
  let most = 0;
  const entries = simulation.journal.snapshot().map(({ entry, stream }) => ({ server: stream.server ?? '', ...entry }));
  for (const { server, event } of entries) {
    if (!names.includes(server)) continue;
    if (event.kind === 'stepFinished' && event.step === 'cordon') out += 1;
    if (event.kind === 'stepFinished' && event.step === 'return') out -= 1;
    most = Math.max(most, out);
  }
  return most;
}

describe('room for what has to move', () => {
  const servers = ['a', 'b', 'c'].map((name) => ({ name, memory: '16Gi', bootMs: 30_000, shutdownMs: 5_000 }));
  const large: WorldWorkload = { kind: 'deployment', name: 'large', replicas: 2, memory: '10Gi' };

  it('keeps servers from going out together that the budget would let go', async () => {
    // Two servers have to stay for the two of them, so two of four may go.
    const four = [...servers, { name: 'd', memory: '16Gi' }];
    const { checker, simulation } = world(four, [large], { maxUnavailable: 4 });
    await simulation.startRun(await simulation.startDaemon('d1'));
    expect(await simulation.runToEnd()).toBe('done');
    expect(mostOut(simulation, ['a', 'b', 'c', 'd'])).toBe(2);
    await checker.finish();
    expect(checker.violations).toEqual([]);
  });

  it('that can never be found is said with the names, and the others are seen to', async () => {
    const huge: WorldWorkload = {
      kind: 'deployment',
      name: 'huge',
      replicas: 1,
      memory: '16Gi',
      nodeSelector: { big: 'yes' },
    };
    const [first, ...others] = servers.map((server) => ({
      ...server,
      labels: { big: server.name === 'a' ? 'yes' : 'no' },
    }));
    if (!first) throw new Error('three servers');
    const { simulation } = world([first, ...others], [huge], { maxUnavailable: 1 });
    const daemon = await simulation.startDaemon('d1');
    const runId = await simulation.startRun(daemon);
    const planned = await simulation.settle(daemon.operations.preview('weekly'));
    const because = planned.definition.servers.find(({ name }) => name === 'a')?.leftOut?.because;
    expect(because).toMatch(
      /^default\/huge-\S+ .*fits nowhere: of 2 open servers 2 are not what its node affinity asks for$/,
    );
    expect(await simulation.runToEnd()).toBe('done');
    const run = await simulation.settle(daemon.operations.run(runId));
    expect(run).toMatchObject({ status: 'done', counts: { done: 2, skipped: 1 } });
  });
});

describe('servers of the control plane', () => {
  const labels = { 'node-role.kubernetes.io/control-plane': '' };
  const names = ['cp1', 'cp2', 'cp3'];
  const servers = [...names.map((name) => ({ name, labels, bootMs: 30_000 })), { name: 'w1' }, { name: 'w2' }];
  const workloads = names.flatMap((node) =>
    ['etcd', 'kube-apiserver'].map((component): WorldWorkload => ({
      kind: 'pod',
      name: `${component}-${node}`,
      namespace: 'kube-system',
      node,
      isStatic: true,
      labels: { component, tier: 'control-plane' },
    })),
  );

  it('go one at a time whatever the budget, beside others', async () => {
    const { checker, simulation } = world(servers, workloads, { maxUnavailable: 5 });
    await simulation.startRun(await simulation.startDaemon('d1'));
    expect(await simulation.runToEnd()).toBe('done');
    expect(mostOut(simulation, names)).toBe(1);
    expect(mostOut(simulation, [...names, 'w1', 'w2'])).toBeGreaterThan(1);
    await checker.finish();
    expect(checker.violations).toEqual([]);
  });
});
