/** What the movers make of the words of other people's controllers; the ways that a move goes well or badly are the contract's. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { JsonRecord } from '../../src/cluster/json.ts';
import { CastAiMover } from '../../src/movers/castai/castai-mover.ts';
import { KubeVirtMover } from '../../src/movers/kubevirt/kubevirt-mover.ts';
import { PaguroMover } from '../../src/movers/paguro/paguro-mover.ts';
import type { MoveOrder, MoveProgress, PodMover } from '../../src/ports/movers.ts';
import type { ApiObjects } from '../../src/ports/objects.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';

const never = new AbortController().signal;

/** An API that serves the migrations of one controller, of which there is one at most. */
interface Said {
  isServed: boolean;
  versions: string[];
  migration: JsonRecord | undefined;
}

function apiOf(said: Said): ApiObjects {
  const unused = (): never => expect.unreachable('nothing is written');
  return {
    serves: async () => Promise.resolve(said.isServed),
    servedVersions: async () => Promise.resolve(said.versions),
    get: async () => Promise.resolve(said.isServed ? said.migration : undefined),
    list: async () => Promise.resolve([]),
    create: unused,
    preview: unused,
    remove: unused,
  };
}

let world: World;
let clock: VirtualClock;
let said: Said;
let order: MoveOrder;
let movers: Readonly<Record<'kubevirt' | 'paguro' | 'castai', PodMover>>;

beforeEach(async () => {
  clock = new VirtualClock(Date.UTC(2026, 10, 22, 22));
  const servers = ['a', 'b', 'c'].map((name) => ({ name }));
  const db = { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 1 } as const;
  world = createWorld({ servers, workloads: [db], clock, random: new SeededRandom(1) });
  await clock.run(() => world.isAtRest(), clock.nowMs() + 600_000);
  const found = podObject();
  said = { isServed: true, versions: [], migration: undefined };
  order = {
    id: 'pitcrew-db-0-0001',
    pod: { namespace: 'shop', name: 'db-0', uid: found.metadata.uid },
    source: found.spec.nodeName ?? '',
    target: found.spec.nodeName === 'b' ? 'a' : 'b',
    promise: 'memory',
    startedMs: clock.nowMs(),
    timeoutMs: 60_000,
    hasBegun: true,
    isCommitted: false,
  };
  const tools = { cluster: new SimulatedCluster(world.api), objects: apiOf(said), clock };
  movers = { kubevirt: new KubeVirtMover(tools), paguro: new PaguroMover(tools), castai: new CastAiMover(tools) };
});

function podObject() {
  const found = world.api.store.get(kinds.pods, 'shop', 'db-0');
  if (!found) throw new Error('db-0 is not there');
  return found;
}

async function advance(mover: PodMover): Promise<MoveProgress> {
  const view = await new SimulatedCluster(world.api).view(never);
  return mover.advance(order, { view, signal: never, commit: () => expect.unreachable('nobody commits') });
}

function migrationIn(status: JsonRecord): JsonRecord {
  const { metadata } = podObject();
  return { metadata: { name: order.id, uid: 'm', creationTimestamp: metadata['creationTimestamp'] }, spec: {}, status };
}

describe.each(['kubevirt', 'paguro', 'castai'] as const)('%s', (name) => {
  it('of which only another version is served is not taken for missing: somebody should know', async () => {
    said.isServed = false;
    expect(await movers[name].detect(never)).toEqual({
      kind: 'missing',
      because: expect.stringMatching(/is not served$/) as string,
    });
    said.versions = ['v3', 'v2'];
    await clock.run(() => false, clock.nowMs() + 120_000);
    const because = expect.stringMatching(/ is served as v2, v3, and known here is only v1/) as string;
    expect(await movers[name].detect(never)).toEqual({ kind: 'missing', because, isWrong: true });
  });

  it('whose version is taken away in the middle of a move is waited for, and then a person is asked', async () => {
    said.isServed = false;
    const wait = { code: 'evacuation/mover', disposition: 'wait' };
    await expect(advance(movers[name])).rejects.toMatchObject(wait);
    await expect(movers[name].cancel(order, never)).rejects.toMatchObject(wait);
    await clock.run(() => false, clock.nowMs() + 120_000);
    await expect(advance(movers[name])).rejects.toMatchObject({ ...wait, disposition: 'halt' });
  });

  it('in a phase that is not known here is neither done nor rolled back', async () => {
    said.migration = migrationIn({ phase: 'Pondering', state: 'Pondering' });
    expect(await advance(movers[name])).toMatchObject({
      kind: 'queued',
      waitingFor: expect.stringMatching(/Pondering/) as string,
    });
  });

  it('that says it is done while the source still runs is not believed', async () => {
    said.migration = migrationIn({
      phase: 'Succeeded',
      state: 'Succeeded',
      targetPodName: 'db-0',
      migrationState: { targetPod: 'db-0' },
    });
    expect(await advance(movers[name])).toMatchObject({ kind: 'cutover', isCommitted: true });
  });
});

describe('Paguro, after a failure', () => {
  it.each(['Failed', 'RolledBack'])('(%s) has given the pod back only once it has let go of it', async (phase) => {
    said.migration = migrationIn({ phase, message: 'dump failed' });
    expect(await advance(movers.paguro)).toEqual({ kind: 'copying', note: 'Paguro clears up: dump failed' });
    expect(await movers.paguro.cancel(order, never)).toEqual({ kind: 'cancelling' });
    said.migration = migrationIn({ phase, message: 'dump failed', releasedAt: '2026-11-22T22:00:00.000000Z' });
    expect(await advance(movers.paguro)).toEqual({ kind: 'rolledBack', because: 'Paguro: dump failed' });
    expect(await movers.paguro.cancel(order, never)).toEqual({ kind: 'cancelled' });
  });
});

describe('Cast AI', () => {
  it.each(['Completed', 'Succeeded'])(
    'that says %s is believed once the same pod is Ready on another server',
    async (state) => {
      said.migration = migrationIn({ state });
      const before = podObject();
      world.api.registry.delete(kinds.pods, before, { gracePeriodSeconds: 0 });
      const { labels, ownerReferences } = before.metadata;
      const { uid } = world.api.registry.create(kinds.pods, 'shop', {
        metadata: { name: 'db-0', labels, ownerReferences },
        spec: { ...before.spec, nodeName: 'c' },
      }).metadata;
      expect(await advance(movers.castai)).toMatchObject({ kind: 'cutover', isCommitted: true });
      await clock.run(() => world.isAtRest(), clock.nowMs() + 600_000);
      expect(await advance(movers.castai)).toEqual({ kind: 'done', evidence: { kept: 'memory', uid, node: 'c' } });
    },
  );

  it('whose Migration is gone together with the pod cannot say what the pod has kept', async () => {
    world.api.registry.delete(kinds.pods, podObject(), { gracePeriodSeconds: 0 });
    const because = expect.stringMatching(/nobody can say what it has kept/) as string;
    const evidence = { kept: 'nothing: restart' };
    for (const mover of Object.values(movers))
      expect(await advance(mover)).toEqual({ kind: 'done', evidence, because });
  });
});
