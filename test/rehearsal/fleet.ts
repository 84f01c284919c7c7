/** A fleet with its snapshot, and the run of a plan on it: what the tests of rehearsals begin with. */
import { takeSnapshot, viewOfSnapshot, type Snapshot } from '../../src/engine/snapshot.ts';
import { MeasuredTimes } from '../../src/engine/measured-times.ts';
import { RunLog } from '../../src/engine/run-log.ts';
import { assembleRun } from '../../src/planner/assemble.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { MemoryJournal } from '../../src/simulator/memory-journal.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld, type WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import { plan, playbook } from '../simulation/harness.ts';
import { runServer } from '../workflow/fixtures.ts';

/** A Saturday, 22:00 in Berlin. */
export const startMs = Date.UTC(2026, 10, 28, 21);

export interface Fleet {
  readonly cluster: SimulatedCluster;
  readonly snapshot: Snapshot;
  readonly definition: RunDefinition;
}

export interface FleetShape {
  readonly servers?: readonly WorldServer[];
  readonly workloads?: readonly WorldWorkload[];
  readonly plan?: Record<string, unknown>;
  readonly playbook?: Record<string, unknown>;
}

export function racks(count: number): WorldServer[] {
  return Array.from({ length: count }, (_, index) => {
    const rack = `rack${1 + Math.floor(index / 3)}`;
    return { name: `${rack}-0${1 + (index % 3)}`, zone: rack };
  });
}

export const someWorkloads: readonly WorldWorkload[] = [
  { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 6, budget: { minAvailable: 5 } },
  { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 3, volumeSize: '1Gi', budget: { minAvailable: 2 } },
  { kind: 'daemonSet', name: 'exporter', namespace: 'monitoring' },
];

export async function fleet(shape: FleetShape = {}): Promise<Fleet> {
  const clock = new VirtualClock(startMs);
  const servers = shape.servers ?? racks(6);
  const workloads = shape.workloads ?? someWorkloads;
  const world = createWorld({ servers, workloads, clock, random: new SeededRandom(5) });
  const cluster = new SimulatedCluster(world.api);
  const inventory = servers.map(({ name }, index) => {
    const { domain: _domain, bmc, ...server } = runServer(name);
    const end = `${Math.floor(index / 200)}.${(index % 200) + 1}`;
    const addresses = { address: `10.1.${end}`, bmc: { ...bmc, address: `10.9.${end}` } };
    return { ...server, ...addresses, labels: { role: 'worker' } };
  });
  const times = new MeasuredTimes(new MemoryJournal(), new RunLog(new MemoryJournal(), clock));
  const document = { plan: plan(shape.plan), playbook: playbook(shape.playbook) };
  const snapshot = await takeSnapshot(
    { cluster, clock },
    { servers: inventory, playbooks: [document.playbook] },
    times,
  );
  const { nodes } = viewOfSnapshot(snapshot);
  const common = { digest: 'd', runId: 'rehearsal', startedBy: 'test' };
  const definition = assembleRun({ ...document, ...common, servers: inventory, nodes });
  return { cluster, snapshot, definition };
}
