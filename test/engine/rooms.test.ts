import { describe, expect, it } from 'vitest';
import { Rooms } from '../../src/engine/rooms.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { podsOnNode } from '../../src/cluster/groups.ts';
import { runAfter, runServer } from '../workflow/fixtures.ts';

const names = ['a', 'b', 'c', 'd', 'e'];
const { signal } = new AbortController();

describe('the model of room of a run', () => {
  it('is made once, however many servers go and pods move', async () => {
    const clock = new VirtualClock(0);
    const world = createWorld({
      servers: names.map((name) => ({ name, memory: '8Gi' })),
      workloads: [
        { kind: 'deployment', name: 'web', replicas: 10, memory: '1Gi' },
        { kind: 'statefulSet', name: 'db', replicas: 3, memory: '1Gi', volumeSize: '1Gi', spreadOverNodes: true },
        { kind: 'daemonSet', name: 'agent' },
      ],
      clock,
      random: new SeededRandom(1),
    });
    const cluster = new SimulatedCluster(world.api);
    const run = runAfter({ servers: names.map((name) => runServer(name)) }, { kind: 'waveStarted', wave: 0 });
    const rooms = new Rooms();
    let evicted = 0;
    for (const name of names) {
      expect(rooms.holdOf(run, name, await cluster.view(signal))).toBeUndefined();
      await cluster.cordon(name, 'r1', 'test', signal);
      for (const pod of podsOnNode((await cluster.view(signal)).pods, name)) {
        if (pod.owner?.kind === 'DaemonSet') continue;
        await cluster.evict(pod, signal);
        evicted += 1;
        await clock.run(() => false, clock.nowMs() + 1_000);
        rooms.refusalsOf(run, await cluster.view(signal))?.('e', new Set([name]));
      }
      await clock.run(() => false, clock.nowMs() + 60_000);
      await cluster.uncordon(name, 'r1', signal);
    }
    world.stop();
    expect(evicted).toBeGreaterThan(10);
    expect(rooms.made).toBe(1);
  });

  it('does not answer for a view after it was asked about another one', async () => {
    const world = createWorld({
      servers: names.map((name) => ({ name })),
      clock: new VirtualClock(0),
      random: new SeededRandom(1),
    });
    const cluster = new SimulatedCluster(world.api);
    const run = runAfter({ servers: names.map((name) => runServer(name)) });
    const rooms = new Rooms();
    const early = rooms.refusalsOf(run, await cluster.view(signal));
    expect(early?.('a', new Set())).toBeUndefined();
    await cluster.cordon('b', 'r1', 'test', signal);
    expect(rooms.refusalsOf(run, await cluster.view(signal))?.('a', new Set(['b']))).toBeUndefined();
    expect(() => early?.('a', new Set())).toThrow('a view that is over');
    world.stop();
  });
});
