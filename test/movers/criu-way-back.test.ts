/** What is left to be done for a pod that is back on its server already, where nobody wrote down that it is. */
import { describe, expect, it } from 'vitest';
import { moveAnnotation } from '../../src/cluster/placement.ts';
import { CriuMover } from '../../src/movers/criu/criu-mover.ts';
import type { MoveOrder } from '../../src/ports/movers.ts';
import type { Shell } from '../../src/ports/shell.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { adminUser } from '../../src/simulator/kubernetes/access.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { SimulatedObjects } from '../../src/simulator/objects.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';
import type { InventoryServer } from '../../src/spec/inventory.ts';
import { runServer } from '../workflow/fixtures.ts';

const never = new AbortController().signal;
const id = 'pitcrew-db-0-0001';

/** Servers that answer what clean ones do: nothing is known there of any move. */
function quietShell(asked: string[]): Shell {
  const word = (command: string): string => (command.includes('.clean-') ? 'clean' : 'aborted');
  return {
    readFacts: async () => Promise.resolve({ bootId: 'b', kernel: 'k', newestKernel: 'k', failedUnits: [] }),
    run: async ({ id: command, onOutput }) => {
      asked.push(command);
      onOutput?.(command.endsWith('.cut') ? 'cleaned\n' : `${word(command)}\n`);
      return Promise.resolve({ kind: 'exited', exitCode: 0, tail: '' });
    },
    forget: async () => Promise.resolve(),
    statusOf: () => expect.unreachable('no command is looked for'),
    requestReboot: () => expect.unreachable('nobody is rebooted'),
    writeFile: () => expect.unreachable('nothing is written'),
  };
}

async function worldWithDbBack() {
  const clock = new VirtualClock(Date.UTC(2026, 10, 22, 22));
  const db = { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 1 } as const;
  const servers = ['a', 'b'].map((name) => ({ name }));
  const world = createWorld({ servers, workloads: [db], clock, random: new SeededRandom(1) });
  await clock.run(() => world.isAtRest(), clock.nowMs() + 600_000);
  const { store, registry } = world.api;
  for (const node of store.list(kinds.nodes)) {
    const addresses = [{ type: 'InternalIP', address: '192.0.2.1' }];
    store.replace(kinds.nodes, node, { ...node, status: { ...node.status, addresses } });
  }
  const before = store.get(kinds.pods, 'shop', 'db-0');
  if (!before) throw new Error('db-0 is not there');
  registry.delete(kinds.pods, before, { gracePeriodSeconds: 0 });
  const { labels, ownerReferences } = before.metadata;
  const back = registry.create(kinds.pods, 'shop', {
    metadata: { name: 'db-0', labels, ownerReferences, annotations: { [moveAnnotation]: `${id}-back` } },
    spec: before.spec,
  });
  await clock.run(() => world.isAtRest(), clock.nowMs() + 600_000);
  const asked: string[] = [];
  const shell = quietShell(asked);
  const cluster = new SimulatedCluster(world.api);
  const source = before.spec.nodeName ?? '';
  const mover = new CriuMover({
    cluster,
    objects: new SimulatedObjects(world.api, { user: adminUser }),
    connections: { shellOf: () => shell, bmcOf: () => expect.unreachable('no BMC is asked') },
    clock,
    servers: () => Promise.resolve(['a', 'b'].map((name): InventoryServer => runServer(name))),
  });
  const order: MoveOrder = {
    id,
    pod: { namespace: 'shop', name: 'db-0', uid: before.metadata.uid },
    source,
    target: source === 'a' ? 'b' : 'a',
    promise: 'everything',
    startedMs: clock.nowMs(),
    timeoutMs: 60_000,
    hasBegun: true,
    isCommitted: false,
  };
  return { mover, order, asked, uid: back.metadata.uid, view: () => cluster.view(never) };
}

describe('a pod that is back on its server already, although nobody has written it down', () => {
  it('is known by its new uid to who calls the move back, and goes no way a second time', async () => {
    const { mover, order, asked, uid } = await worldWithDbBack();
    expect(await mover.cancel(order, never)).toEqual({ kind: 'cancelled', uid });
    expect(await mover.cancel(order, never)).toEqual({ kind: 'cancelled', uid });
    expect(asked.some((command) => command.startsWith(`${id}-back.clean-`))).toBe(true);
    expect(asked.filter((command) => /\.(source|target|connect|cut)$/.test(command))).toEqual([]);
  });

  it('is not said to be lost where the source had begun its freeze', async () => {
    const { mover, order, uid, view } = await worldWithDbBack();
    const commit = async (): Promise<void> => Promise.resolve();
    const context = { view: await view(), signal: never, commit };
    expect(await mover.advance({ ...order, isCommitted: true }, context)).toMatchObject({ kind: 'rolledBack', uid });
  });
});
