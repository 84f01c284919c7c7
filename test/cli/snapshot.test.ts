import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSnapshotFile } from '../../src/cli/snapshot-file.ts';
import { takeSnapshot, viewOfSnapshot, type Snapshot } from '../../src/engine/snapshot.ts';
import { MeasuredTimes } from '../../src/engine/measured-times.ts';
import { RunLog } from '../../src/engine/run-log.ts';
import { MemoryJournal } from '../../src/simulator/memory-journal.ts';
import { playbook } from '../simulation/harness.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld } from '../../src/simulator/world.ts';
import { runServer } from '../workflow/fixtures.ts';
import { runHere, serveCli } from './harness.ts';

const clock = new VirtualClock(Date.UTC(2026, 10, 28, 20));

function smallCluster(): SimulatedCluster {
  const world = createWorld({
    servers: ['rack1-01', 'rack1-02', 'rack2-01'].map((name) => ({ name, zone: name.slice(0, 5) })),
    workloads: [
      { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 4, budget: { minAvailable: 3 } },
      { kind: 'statefulSet', name: 'db', namespace: 'shop', replicas: 2, volumeSize: '1Gi' },
      { kind: 'daemonSet', name: 'exporter', namespace: 'monitoring' },
    ],
    clock,
    random: new SeededRandom(7),
  });
  return new SimulatedCluster(world.api);
}

async function snapshotOf(cluster: SimulatedCluster): Promise<Snapshot> {
  const journal = new MemoryJournal();
  const times = new MeasuredTimes(journal, new RunLog(journal, clock));
  return takeSnapshot({ cluster, clock }, { servers: [runServer('rack1-01')], playbooks: [playbook()] }, times);
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'pitcrew-snapshot-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

describe('pitcrew snapshot', () => {
  it.each(['twin.json', 'twin.json.gz'])('writes %s, from which the same view of the cluster is read', async (name) => {
    const cluster = smallCluster();
    const { operations, api } = await serveCli();
    operations.snapshotTaken = await snapshotOf(cluster);
    const path = join(await folder(), name);
    const ended = await runHere(['snapshot', path, '--server', api.address]);
    expect(ended).toMatchObject({ code: 0, stdout: '' });
    expect(ended.stderr).toContain('3 nodes');
    const read = await readSnapshotFile(path, name);
    expect(read).toEqual(operations.snapshotTaken);
    const { nodes, pods, budgets, ...rest } = viewOfSnapshot(read);
    const view = await cluster.view(new AbortController().signal);
    expect(pods).toHaveLength(9);
    expect({ nodes, pods, budgets }).toEqual({ nodes: view.nodes, pods: view.pods, budgets: view.budgets });
    expect(rest).toEqual({ claims: view.claims, volumes: view.volumes, namespaces: view.namespaces });
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  it('prints the snapshot where no file is named', async () => {
    const { operations, api } = await serveCli();
    operations.snapshotTaken = await snapshotOf(smallCluster());
    const ended = await runHere(['snapshot', '--server', api.address]);
    expect(JSON.parse(ended.stdout)).toEqual(operations.snapshotTaken);
  });

  it('leaves nothing behind where the file cannot be written', async () => {
    const { operations, api } = await serveCli();
    operations.snapshotTaken = await snapshotOf(smallCluster());
    const ended = await runHere(['snapshot', '/nonexistent/twin.json', '--server', api.address]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('cannot write /nonexistent/twin.json: ENOENT');
  });
});

describe('a file that is given as a snapshot', () => {
  const good = async (): Promise<Record<string, unknown>> =>
    JSON.parse(JSON.stringify(await snapshotOf(smallCluster())));

  it.each([
    ['is missing', undefined, 'there is no such file'],
    ['is no JSON', 'pods: 3', 'it is no JSON'],
    ['is something else', '{"kind":"List"}', 'it is no snapshot'],
    ['is compressed and cut off', gzipSync('{"kind":"Snapshot"}').subarray(0, 20), 'compressed and damaged'],
  ])('and %s is refused', async (_what, content, message) => {
    const path = join(await folder(), 'twin.json');
    if (content !== undefined) await writeFile(path, content);
    await expect(readSnapshotFile(path, 'twin.json')).rejects.toThrow(message);
  });

  it.each([
    ['of a later version', { format: 2 }, 'it has format 2, this version reads 1'],
    ['without servers', { servers: undefined }, 'it is damaged: servers'],
    ['with half of its objects', { objects: { nodes: [] } }, 'it is damaged: objects'],
    ['with an object that has no name', (all: object) => ({ objects: { ...all, nodes: [{}] } }), 'objects.nodes.0'],
    [
      'with a pod without containers',
      (all: object) => ({ objects: { ...all, pods: [{ metadata: { name: 'web-1' }, spec: {} }] } }),
      'pods web-1: containers',
    ],
  ])('%s is refused, and told why', async (_what, change, message) => {
    const snapshot = await good();
    const changed = typeof change === 'function' ? change(snapshot['objects'] as object) : change;
    const path = join(await folder(), 'twin.json');
    await writeFile(path, JSON.stringify({ ...snapshot, ...changed }));
    await expect(readSnapshotFile(path, 'twin.json')).rejects.toThrow(message);
  });

  it('gives away nothing that was written into it by hand', async () => {
    const snapshot = await good();
    const objects = snapshot['objects'] as Record<string, Record<string, unknown>[]>;
    for (const pod of objects['pods'] ?? []) (pod['spec'] as Record<string, unknown>)['hostname'] = 'PLANTED';
    const path = join(await folder(), 'twin.json');
    await writeFile(path, JSON.stringify(snapshot));
    expect(JSON.stringify(await readSnapshotFile(path, 'twin.json'))).not.toContain('PLANTED');
    expect(await readFile(path, 'utf8')).toContain('PLANTED');
  });
});
