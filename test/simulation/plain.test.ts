import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { plan, playbook, Simulation } from './harness.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { NodeObject } from '../../src/simulator/kubernetes/objects.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

const servers = ['a1', 'a2', 'b1', 'b2'].map((name) => ({
  name,
  zone: name.slice(0, 1),
  bootMs: 60_000,
  shutdownMs: 5_000,
}));
const workloads: WorldWorkload[] = [
  { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 6, budget: { minAvailable: 5 } },
  { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 2, volumeSize: '1Gi' },
  { kind: 'daemonSet', name: 'agent', namespace: 'kube-system' },
];

describe('a rolling patch without faults', () => {
  it('patches every server, keeps every invariant, and leaves the cluster as it was', async () => {
    const checker = new Checker();
    const simulation = new Simulation({
      seed: 1,
      servers,
      workloads,
      plan: plan({ rollout: { maxUnavailable: 1, failureDomain: 'topology.kubernetes.io/zone' } }),
      playbook: playbook(),
      tamper: (daemon, doors) => checker.watch(daemon, doors),
    });
    checker.attach(simulation);
    const daemon = await simulation.startDaemon('d1');
    const runId = await simulation.startRun(daemon);
    expect(await simulation.runToEnd()).toBe('done');
    const run = await simulation.settle(daemon.operations.run(runId));
    expect(simulation.log.filter((line) => line.level === 'error')).toEqual([]);
    expect(run).toMatchObject({ status: 'done', counts: { done: 4 } });
    await checker.finish();
    expect(checker.violations).toEqual([]);
    expect(checker.looks).toMatchObject({ '1 budget': expect.any(Number), '3 protected pods': expect.any(Number) });
    expect([...simulation.world.machines.values()].map((machine) => machine.boots)).toEqual([1, 1, 1, 1]);
  });

  it('says of every server that its maintenance is planned, until it is over', async () => {
    const simulation = new Simulation({ seed: 1, servers, workloads, plan: plan({}), playbook: playbook() });
    const said = new Map<string, string[]>();
    simulation.world.api.store.subscribe(({ kind, object }) => {
      if (kind !== kinds.nodes) return;
      const { metadata, status } = object as NodeObject;
      const planned = status?.conditions?.find(({ type }) => type === 'MaintenancePlanned')?.status;
      const before = said.get(metadata.name) ?? [];
      if (planned !== undefined && before.at(-1) !== planned) said.set(metadata.name, [...before, planned]);
    });
    const daemon = await simulation.startDaemon('d1');
    await simulation.startRun(daemon);
    expect(await simulation.runToEnd()).toBe('done');
    expect(said).toEqual(new Map(servers.map(({ name }) => [name, ['True', 'False']])));
  });
});
