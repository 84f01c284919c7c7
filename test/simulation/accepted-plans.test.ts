import { describe, expect, it } from 'vitest';
import { draw } from './draw.ts';
import { plan, playbook, Simulation } from './harness.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';

/** Pods of many sizes, some of which may not be together. */
function fleetOf(
  seed: number,
  fullGib: number,
): { servers: WorldServer[]; workloads: WorldWorkload[]; budget: number } {
  const { chance, between } = draw(seed);
  const count = between(4, 8);
  const servers = Array.from({ length: count }, (_, index) => ({
    name: `s${index + 1}`,
    zone: `z${index % 2}`,
    memory: '16Gi',
    bootMs: 30_000,
    shutdownMs: 5_000,
  }));
  const workloads: WorldWorkload[] = [];
  for (let left = count * fullGib; left > 8;) {
    const memoryGib = between(1, 4);
    const replicas = between(1, 3);
    left -= memoryGib * replicas;
    workloads.push({
      kind: chance(0.3) ? 'statefulSet' : 'deployment',
      name: `app${workloads.length}`,
      replicas,
      memory: `${memoryGib}Gi`,
      spreadOverNodes: chance(0.4),
    });
  }
  return { servers, workloads, budget: between(1, count) };
}

describe('a plan that leaves nobody out', () => {
  it('meets nothing impossible where nothing fails: every server is done, and every pod runs at the end', async () => {
    let accepted = 0;
    // Three quarters full; and a few so full that it takes nearly all room there is to empty one server.
    const full = [12, 38, 86].map((seed) => ({ seed, fullGib: 14 }));
    for (const { seed, fullGib } of [...Array.from({ length: 10 }, (_, seed) => ({ seed, fullGib: 12 })), ...full]) {
      const { servers, workloads, budget } = fleetOf(seed, fullGib);
      const simulation = new Simulation({
        seed,
        servers,
        workloads,
        plan: plan({
          rollout: { maxUnavailable: budget },
          evacuation: { prefer: seed % 2 === 0 ? ['evict'] : ['surge', 'evict'] },
        }),
        playbook: playbook(),
      });
      const daemon = await simulation.startDaemon('d1');
      const { forecast, definition } = await simulation.settle(daemon.operations.preview('weekly'));
      if (forecast.never > 0 || definition.servers.some(({ leftOut }) => leftOut)) continue;
      accepted += 1;
      await simulation.startRun(daemon);
      expect({ seed, end: await simulation.runToEnd() }).toEqual({ seed, end: 'done' });
      await simulation.clock.run(() => simulation.world.isAtRest(), simulation.clock.nowMs() + 60_000);
      const waiting = simulation.world.api.store.list(kinds.pods).filter((pod) => pod.spec.nodeName === undefined);
      expect({ seed, waiting: waiting.map(({ metadata }) => metadata.name) }).toEqual({ seed, waiting: [] });
    }
    expect(accepted).toBeGreaterThan(8);
  });
});
