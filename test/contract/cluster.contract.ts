/** What every `Cluster` keeps, whether it is simulated or a Kubernetes API over the wire: view, cordon, conditions, eviction. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordAt } from '../../src/cluster/json.ts';
import { Refusal } from '../../src/simulator/kubernetes/refusal.ts';
import { Bench, never, otherUid, podPath, type ClusterWorld } from './cluster-bench.ts';

const nodePath = '/api/v1/nodes/node-a';
const budgetPath = '/apis/policy/v1/namespaces/shop/poddisruptionbudgets/web';

export function clusterContract(name: string, start: () => Promise<ClusterWorld>): void {
  describe(`a cluster, ${name}`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = new Bench(await start());
    });
    afterEach(async () => {
      await bench.world.stop();
    });

    viewLaws(() => bench);
    cordonLaws(() => bench);
    conditionLaws(() => bench);
    evictionLaws(() => bench);
  });
}

function viewLaws(bench: () => Bench): void {
  describe('view', () => {
    it('holds nodes, pods and budgets, and follows their changes', async () => {
      const { admin, viewWith } = unpacked(bench());
      const pod = admin.pod('web-1', { app: 'web' });
      admin.budget('web', 'web', 1);
      const view = await viewWith(({ nodes, pods, budgets }) => {
        const isAllHere = nodes.length === 1 && pods.length === 1 && budgets.length === 1;
        return isAllHere && pods[0]?.ready === true && nodes[0]?.ready === true;
      });
      expect(view.nodes[0]).toMatchObject({ name: 'node-a', bootId: 'boot-node-a', cordon: { kind: 'none' } });
      expect(view.pods[0]).toMatchObject({ ...pod, node: 'node-a', phase: 'Running', ready: true });
      expect(view.budgets[0]).toMatchObject({ name: 'web', desiredHealthy: 1 });
      admin.ask('DELETE', podPath(pod), { gracePeriodSeconds: 0 });
      admin.merge(nodePath, { metadata: { labels: { rack: 'r1' } } });
      const later = await viewWith(({ nodes, pods }) => pods.length === 0 && nodes[0]?.labels['rack'] === 'r1');
      expect(later.budgets).toHaveLength(1);
    });

    it('tells its listeners of a change, until they leave', async () => {
      const { admin, cluster, viewWith } = unpacked(bench());
      await viewWith(({ nodes }) => nodes.length === 1);
      let told = 0;
      const leave = cluster.onChange(() => (told += 1));
      admin.merge(nodePath, { metadata: { labels: { rack: 'r1' } } });
      await bench().until(() => told > 0);
      leave();
      const before = told;
      admin.merge(nodePath, { metadata: { labels: { rack: 'r2' } } });
      await viewWith(({ nodes }) => nodes[0]?.labels['rack'] === 'r2');
      await bench().sleep(200);
      expect(told).toBe(before);
    });

    it('is refused to a caller who has given up', async () => {
      const reason = new Error('stopped');
      await expect(bench().drive(bench().cluster.view(AbortSignal.abort(reason)))).rejects.toBe(reason);
    });

    it('a read goes straight to the API, and what is not there is undefined', async () => {
      const { admin, cluster, drive } = unpacked(bench());
      const pod = admin.pod('web-1', { app: 'web' });
      expect(await drive(cluster.readPod(pod, never))).toMatchObject(pod);
      expect(await drive(cluster.readNode('node-a', never))).toMatchObject({ bootId: 'boot-node-a' });
      expect(await drive(cluster.readPod({ ...pod, name: 'nobody' }, never))).toBeUndefined();
      expect(await drive(cluster.readNode('nowhere', never))).toBeUndefined();
      expect(await drive(cluster.readPodsOn('node-a', never))).toMatchObject([pod]);
      expect(await drive(cluster.readPodsOn('nowhere', never))).toEqual([]);
    });
  });
}

function cordonLaws(bench: () => Bench): void {
  describe('cordon', () => {
    it('writes its run and its reason on the node, and can be said again', async () => {
      expect(await bench().cordon('run-1')).toEqual({ kind: 'cordoned' });
      expect(await bench().cordon('run-1')).toEqual({ kind: 'alreadyOurs' });
      expect(await bench().drive(bench().cluster.readNode('node-a', never))).toMatchObject({
        cordon: { kind: 'ours', runId: 'run-1', reason: 'kernel update' },
      });
    });

    it('respects the cordon of another run, and names it', async () => {
      await bench().cordon('run-1');
      expect(await bench().cordon('run-2')).toEqual({ kind: 'foreign', by: 'run-1' });
      expect(await bench().uncordon('run-2')).toBe('notOurs');
      expect(bench().admin.annotations('node-a')['pitcrew.dev/cordoned-by']).toBe('run-1');
    });

    it('respects the cordon of somebody who left no name', async () => {
      const { admin } = bench();
      admin.merge(nodePath, { spec: { unschedulable: true } });
      expect(await bench().cordon('run-1')).toEqual({ kind: 'foreign', by: 'unknown' });
      expect(await bench().uncordon('run-1')).toBe('notOurs');
      expect(recordAt(admin.read(nodePath), 'spec')['unschedulable']).toBe(true);
      expect(admin.annotations('node-a')['pitcrew.dev/cordoned-by']).toBeUndefined();
    });

    it('is lifted with its owner’s name, and can be lifted again', async () => {
      const { admin } = bench();
      await bench().cordon('run-1');
      expect(await bench().uncordon('run-1')).toBe('uncordoned');
      expect(await bench().uncordon('run-1')).toBe('notCordoned');
      expect(recordAt(admin.read(nodePath), 'spec')['unschedulable']).toBeUndefined();
      expect(Object.keys(admin.annotations('node-a')).filter((key) => key.startsWith('pitcrew.dev/'))).toEqual([]);
    });

    it('leaves no name behind that would claim the next person’s cordon', async () => {
      const { admin } = bench();
      await bench().cordon('run-1');
      admin.merge(nodePath, { spec: { unschedulable: null } });
      expect(await bench().uncordon('run-1')).toBe('notCordoned');
      admin.merge(nodePath, { spec: { unschedulable: true } });
      expect(await bench().uncordon('run-1')).toBe('notOurs');
    });

    it('is not ours any more once somebody has lifted it, though our name is still there: the next cordon is theirs', async () => {
      const { admin, cluster, drive } = unpacked(bench());
      await bench().cordon('run-1');
      admin.merge(nodePath, { spec: { unschedulable: null } });
      admin.merge(nodePath, { spec: { unschedulable: true } });
      expect(admin.annotations('node-a')['pitcrew.dev/cordoned-by']).toBe('run-1');
      expect(await drive(cluster.readNode('node-a', never))).toMatchObject({ cordon: { kind: 'foreign' } });
      expect(await bench().cordon('run-1')).toEqual({ kind: 'foreign', by: 'unknown' });
      expect(await bench().uncordon('run-1')).toBe('notOurs');
      expect(recordAt(admin.read(nodePath), 'spec')['unschedulable']).toBe(true);
      expect(admin.annotations('node-a')['pitcrew.dev/cordoned-by']).toBeUndefined();
    });

    it('stays ours whatever else somebody writes on the node, a cordon of what is cordoned included', async () => {
      const { admin } = bench();
      await bench().cordon('run-1');
      admin.merge(nodePath, { metadata: { labels: { team: 'db' } }, spec: { unschedulable: true } });
      expect(await bench().cordon('run-1')).toEqual({ kind: 'alreadyOurs' });
      expect(await bench().uncordon('run-1')).toBe('uncordoned');
    });

    it('marks a node that a run has yet to come to, and takes only that run’s mark away again', async () => {
      const { admin, cluster, drive } = unpacked(bench());
      const other = { key: 'team', value: 'db', effect: 'PreferNoSchedule' };
      const mark = (value: string, key = 'pitcrew.dev/maintenance-pending'): object => ({
        key,
        value,
        effect: 'PreferNoSchedule',
      });
      const taints = (): unknown => recordAt(admin.read(nodePath), 'spec')['taints'];
      admin.merge(nodePath, { spec: { taints: [other] } });
      await drive(cluster.setPending('node-a', 'run-1', 'plain', never));
      await drive(cluster.setPending('node-a', 'run-1', 'plain', never));
      expect(taints()).toEqual([other, mark('run-1')]);
      await drive(cluster.setPending('node-a', 'run-2', undefined, never));
      expect(taints()).toEqual([other, mark('run-1')]);
      await drive(cluster.setPending('node-a', 'run-2', 'kept', never));
      await drive(cluster.setPending('node-a', 'run-2', 'kept', never));
      expect(taints()).toEqual([other, mark('run-2'), mark('run-2', 'pitcrew.dev/keep-room')]);
      await drive(cluster.setPending('node-a', 'run-2', undefined, never));
      await drive(cluster.setPending('node-a', 'run-2', undefined, never));
      expect(taints()).toEqual([other]);
    });

    it('of two runs at the same moment, exactly one gets the node', async () => {
      const { cluster, drive } = unpacked(bench());
      const asked = ['run-1', 'run-2'].map((run) => cluster.cordon('node-a', run, 'x', never));
      const answers = await drive(Promise.all(asked));
      expect(answers.map(({ kind }) => kind).sort()).toEqual(['cordoned', 'foreign']);
    });

    it('a write of somebody else in between is no obstacle', async () => {
      const { admin, world } = bench();
      let writes = 0;
      admin.interfere('PATCH', nodePath, () => {
        writes += 1;
        if (writes <= 2) admin.merge(nodePath, { metadata: { labels: { write: String(writes) } } });
      });
      expect(await bench().cordon('run-1')).toEqual({ kind: 'cordoned' });
      expect(admin.annotations('node-a')['pitcrew.dev/cordoned-by']).toBe('run-1');
      // A simulated cluster may write in one step, between which nobody comes.
      if (world.lab) expect(writes).toBeGreaterThan(1);
    });

    it('of a node that is not there is an error, and halts', async () => {
      const error = await bench().errorOf(bench().cluster.cordon('nowhere', 'run-1', 'x', never));
      expect(error).toMatchObject({ code: 'cluster/not-found', disposition: 'halt' });
    });
  });
}

function conditionLaws(bench: () => Bench): void {
  it('conditions are published beside those of others, and their transition time moves only with the status', async () => {
    const { admin, cluster, drive } = unpacked(bench());
    const set = async (status: boolean, message: string): Promise<void> => {
      const update = { type: 'DrainInProgress', status, reason: 'Run', message } as const;
      await drive(cluster.setConditions('node-a', [update], never));
    };
    await set(true, '3 pods left');
    const first = admin.condition('node-a', 'DrainInProgress');
    expect(first).toMatchObject({ status: 'True', reason: 'Run', message: '3 pods left' });
    // Times are kept to the second.
    await bench().sleep(1100);
    await set(true, '2 pods left');
    const { lastTransitionTime } = first;
    expect(admin.condition('node-a', 'DrainInProgress')).toMatchObject({ message: '2 pods left', lastTransitionTime });
    await set(false, 'done');
    const last = admin.condition('node-a', 'DrainInProgress');
    expect(last['status']).toBe('False');
    expect(last['lastTransitionTime']).not.toBe(lastTransitionTime);
    expect(admin.condition('node-a', 'Ready')['status']).toBe('True');
  });
}

function evictionLaws(bench: () => Bench): void {
  describe('eviction', () => {
    it('is accepted where no budget covers the pod, and again while it is leaving', async () => {
      const pod = bench().admin.pod('web-1', { app: 'web' });
      expect(await bench().evict(pod)).toEqual({ kind: 'accepted' });
      expect(await bench().drive(bench().cluster.readPod(pod, never))).toMatchObject({ leaving: true });
      expect(await bench().evict(pod)).toEqual({ kind: 'accepted' });
    });

    it('is refused by a budget, which is named', async () => {
      const pod = bench().admin.pod('web-1', { app: 'web' });
      bench().admin.budget('web', 'web', 0);
      const answer = await bench().evict(pod);
      expect(answer).toMatchObject({ kind: 'budget', budget: 'web' });
      expect(answer).toHaveProperty('message', expect.stringContaining('web'));
    });

    it('is blocked by two budgets', async () => {
      const pod = bench().admin.pod('web-1', { app: 'web' });
      bench().admin.budget('one', 'web', 1);
      bench().admin.budget('two', 'web', 1);
      expect(await bench().evict(pod)).toMatchObject({ kind: 'blocked' });
    });

    it('of a pod that has been replaced says that it is gone, and charges no budget', async () => {
      const { admin, cluster, drive } = unpacked(bench());
      const pod = admin.pod('web-1', { app: 'web' });
      admin.budget('web', 'web', 1);
      const before = recordAt(admin.read(budgetPath), 'status')['disruptedPods'];
      expect(await bench().evict({ ...pod, uid: otherUid })).toEqual({ kind: 'gone' });
      expect(await bench().evict({ ...pod, name: 'nobody' })).toEqual({ kind: 'gone' });
      expect(recordAt(admin.read(budgetPath), 'status')['disruptedPods']).toEqual(before);
      expect(await drive(cluster.readPod(pod, never))).toMatchObject({ leaving: false });
    });

    it('that a migrator has taken over is a migration', async () => {
      const pod = bench().admin.pod('web-1', { app: 'web' });
      const message = 'paguro: migrating the pod to another node instead of evicting it (migration web-x7)';
      bench().world.api.evictions.webhooks.push(() => new Refusal(429, undefined, message));
      expect(await bench().evict(pod)).toEqual({ kind: 'migrating', message });
    });

    it('of a machine that must migrate and cannot is blocked', async () => {
      const pod = bench().admin.pod('web-1', { app: 'web' });
      const message = 'VMI vm-1 is configured with an eviction strategy but is not live-migratable';
      bench().world.api.evictions.webhooks.push(() => new Refusal(429, undefined, message));
      expect(await bench().evict(pod)).toEqual({ kind: 'blocked', message });
    });

    it('in a namespace that is being deleted is no error', async () => {
      const pod = bench().admin.pod('web-1', { app: 'web' });
      bench().admin.ask('DELETE', '/api/v1/namespaces/shop');
      expect(await bench().evict(pod)).toMatchObject({ kind: 'throttled' });
    });
  });
}

function unpacked(bench: Bench) {
  return {
    admin: bench.admin,
    cluster: bench.cluster,
    drive: bench.drive.bind(bench),
    viewWith: bench.viewWith.bind(bench),
  };
}
