import { describe, expect, it } from 'vitest';
import { viewOfSnapshot } from '../../src/engine/snapshot.ts';
import { withKeptRoom } from '../../src/planner/kept-room.ts';
import { rehearse } from '../../src/rehearsal/rehearse.ts';
import type { Rehearsal } from '../../src/rehearsal/result.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import { fleet, startMs } from './fleet.ts';

/** 20 servers of 120 GiB, nine tenths full with pods of a hundredth to a tenth of one; two may be out at once. */
async function packed() {
  const servers = Array.from({ length: 20 }, (_, index) => ({
    name: `s${String(index).padStart(2, '0')}`,
    memory: '120Gi',
    cpu: '64',
  }));
  const sizes = [12, 8, 6, 4, 3, 2, 1].flatMap((gib) => [gib, gib, gib]);
  const workloads = sizes.map((gib, index): WorldWorkload => ({
    kind: 'deployment',
    name: `app-${String(index).padStart(2, '0')}`,
    replicas: 20,
    cpu: '100m',
    memory: `${gib}Gi`,
  }));
  const evacuation = { prefer: ['evict'], localData: 'lose' };
  return fleet({ servers, workloads, plan: { rollout: { maxUnavailable: 2 }, evacuation } });
}

describe('servers that keep their room for large pods', () => {
  it('let a tightly packed fleet come to its end sooner', async () => {
    const { definition, snapshot } = await packed();
    const play = (servers: RunDefinition['servers']): Promise<Rehearsal> =>
      rehearse({
        definition: { ...definition, servers },
        objects: snapshot.objects,
        takenMs: 0,
        faults: [],
        seed: 1,
        startMs,
        signal: AbortSignal.timeout(60_000),
      });
    const without = await play(definition.servers);
    const keeping = await play(withKeptRoom(definition.servers, viewOfSnapshot(snapshot)));
    expect([without.outcome, keeping.outcome]).toEqual(['done', 'done']);
    expect(keeping.endMs).toBeLessThan(without.endMs);
    // Nobody pays for it by being moved again and again.
    expect(keeping.podsMoved).toBeLessThan(1.1 * without.podsMoved);
  });
});
