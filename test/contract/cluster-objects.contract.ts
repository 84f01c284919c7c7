/** The second half of the contract of a `Cluster`: volumes, surge, leases, events, rights; and watches on a bad wire. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAt, recordAt, type JsonRecord } from '../../src/cluster/json.ts';
import type { LabFaults } from '../../src/lab/kubernetes/faults.ts';
import { Bench, never, otherUid, podPath, type ClusterWorld } from './cluster-bench.ts';

const hash = '5b86b64c6f';

export function clusterObjectsContract(name: string, start: () => Promise<ClusterWorld>): void {
  describe(`a cluster, ${name}`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = new Bench(await start());
    });
    afterEach(async () => {
      await bench.world.stop();
    });

    releaseLaws(() => bench);
    leaseLaws(() => bench);
    rightLaws(() => bench);

    it('volumes that are attached to the node are named, no others', async () => {
      const { admin } = bench;
      admin.attachment('csi-2', 'node-a', true);
      admin.attachment('csi-1', 'node-a', true);
      admin.attachment('csi-3', 'node-b', true);
      admin.attachment('csi-4', 'node-a', false);
      expect(await bench.drive(bench.cluster.attachedVolumes('node-a', never))).toEqual(['csi-1', 'csi-2']);
    });

    it('what a snapshot holds is read from the API as it is now, and without what is nobody’s business', async () => {
      const { admin, cluster } = bench;
      admin.replica(hash, 'Recreate');
      admin.budget('web', 'web', 1);
      admin.create('/api/v1/namespaces/shop/pods', {
        metadata: { name: 'planted', annotations: { note: 'PLANTED' } },
        spec: { nodeName: 'node-a', containers: [{ name: 'main', image: 'PLANTED', args: ['PLANTED'] }] },
      });
      const objects = await bench.drive(cluster.readObjects(never));
      const names = Object.entries(objects).map(([kind, list]) => [
        kind,
        list.map((object) => recordAt(object, 'metadata')['name']),
      ]);
      expect(Object.fromEntries(names)).toMatchObject({
        nodes: ['node-a'],
        deployments: ['web'],
        replicaSets: [`web-${hash}`],
        budgets: ['web'],
        statefulSets: [],
      });
      expect(objects.pods.map((pod) => recordAt(pod, 'metadata')['name'])).toContain('planted');
      expect(JSON.stringify(objects)).not.toContain('PLANTED');
    });

    it('an announcement is an Event on the node', async () => {
      const { admin, cluster } = bench;
      await bench.viewWith(({ nodes }) => nodes.length === 1);
      await bench.drive(cluster.announce('node-a', 'MaintenanceStarted', 'cordoned for run-1', never));
      const events = listAt(admin.read('/apis/events.k8s.io/v1/namespaces/default/events'), 'items') as JsonRecord[];
      const ours = events.filter((event) => event['reason'] === 'MaintenanceStarted');
      expect(ours).toHaveLength(1);
      expect(ours[0]).toMatchObject({ note: 'cordoned for run-1', regarding: { kind: 'Node', name: 'node-a' } });
    });

    it('the version is that of the server', async () => {
      expect(await bench.drive(bench.cluster.version(never))).toMatch(/^v\d+\.\d+/);
    });
  });
}

function releaseLaws(bench: () => Bench): void {
  describe('release from a ReplicaSet', () => {
    it('changes the label and puts the very same value back', async () => {
      const pod = bench().admin.replica(hash, 'RollingUpdate');
      expect(await bench().setReleased(pod, true)).toBe('changed');
      expect(bench().admin.labels(pod)['pod-template-hash']).not.toBe(hash);
      expect(await bench().setReleased(pod, true)).toBe('unchanged');
      expect(await bench().setReleased(pod, false)).toBe('changed');
      expect(bench().admin.labels(pod)['pod-template-hash']).toBe(hash);
      expect(await bench().setReleased(pod, false)).toBe('unchanged');
    });

    it('touches no replacement of the same name', async () => {
      const pod = bench().admin.replica(hash, 'RollingUpdate');
      expect(await bench().setReleased({ ...pod, uid: otherUid }, true)).toBe('gone');
      expect(await bench().setReleased({ ...pod, name: 'nobody' }, true)).toBe('gone');
      expect(bench().admin.labels(pod)['pod-template-hash']).toBe(hash);
    });

    it('the workload is known before and after', async () => {
      const pod = bench().admin.replica(hash, 'Recreate');
      const expected = { name: `web-${hash}`, wanted: 1, recreates: true };
      expect(await bench().workload(pod)).toMatchObject(expected);
      await bench().setReleased(pod, true);
      // What the ReplicaSet's controller does with a pod that its selector no longer finds.
      bench().admin.merge(podPath(pod), { metadata: { ownerReferences: null } });
      expect(await bench().workload(pod)).toMatchObject(expected);
    });

    it('a pod of no ReplicaSet has no workload', async () => {
      const pod = bench().admin.pod('single', { app: 'single' });
      expect(await bench().workload(pod)).toBeUndefined();
    });
  });
}

function leaseLaws(bench: () => Bench): void {
  describe('the lease of a node', () => {
    it('has one holder, who may hold it again', async () => {
      expect(await bench().hold('pitcrew')).toBe('held');
      expect(await bench().hold('pitcrew')).toBe('held');
      expect(await bench().hold('node-maintenance')).toEqual({ by: 'pitcrew' });
    });

    it('is given back by its holder alone', async () => {
      await bench().hold('pitcrew');
      await bench().release('node-maintenance');
      expect(await bench().hold('node-maintenance')).toEqual({ by: 'pitcrew' });
      await bench().release('pitcrew');
      await bench().release('pitcrew');
      expect(await bench().hold('node-maintenance')).toBe('held');
    });

    it('that has run out can be taken over', async () => {
      await bench().hold('node-maintenance', 1);
      await bench().sleep(1500);
      expect(await bench().hold('pitcrew')).toBe('held');
      expect(await bench().hold('node-maintenance')).toEqual({ by: 'pitcrew' });
    });

    it('of two who ask at the same moment, one gets it', async () => {
      const { cluster } = bench();
      const asked = ['one', 'two'].map((holder) => cluster.holdNodeLease('node-a', holder, 3600, never));
      const answers = await bench().drive(Promise.all(asked));
      expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
    });
  });
}

function rightLaws(bench: () => Bench): void {
  describe('rights', () => {
    it('are complete, or those that are missing are named', async () => {
      const { admin, cluster } = bench();
      expect(await bench().drive(cluster.missingRights(never))).toEqual([]);
      admin.revoke('patch', 'nodes');
      const missing = await bench().drive(cluster.missingRights(never));
      expect(missing).toMatchObject([{ verb: 'patch', group: '', resource: 'nodes' }]);
    });

    it('a missing one halts, and says which it is', async () => {
      bench().admin.revoke('patch', 'nodes');
      const error = await bench().errorOf(bench().cluster.cordon('node-a', 'run-1', 'x', never));
      expect(error).toMatchObject({ code: 'cluster/forbidden', disposition: 'halt' });
      expect(error.message).toMatch(/patch.*nodes/);
    });
  });
}

/** For clusters behind a wire: what happens to watches must not be seen in the view. */
export function watchContract(name: string, start: () => Promise<ClusterWorld>): void {
  describe(`the watches of a cluster, ${name}`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = new Bench(await start());
    });
    afterEach(async () => {
      await bench.world.stop();
    });

    const faults = (): LabFaults => {
      if (!bench.world.lab) throw new Error('no wire to cut');
      return bench.world.lab.faults;
    };
    const cut = async (): Promise<void> => {
      // Nodes, pods, budgets, claims, volumes and namespaces each have a watch.
      await bench.until(() => faults().openWatches === 6);
      expect(faults().breakWatches()).toBe(6);
    };
    const withPods = async (names: string) =>
      await bench.viewWith(({ pods }) => pods.map((pod) => pod.name).join() === names);

    it('survive a connection that is cut, and miss nothing meanwhile', async () => {
      bench.admin.pod('a', {});
      await withPods('a');
      for (const name of ['b', 'c', 'd']) {
        await cut();
        bench.admin.pod(name, {});
      }
      expect((await withPods('a,b,c,d')).nodes).toHaveLength(1);
    });

    it('survive a server that no longer remembers where they were', async () => {
      bench.admin.pod('a', {});
      const kept = bench.admin.pod('b', {});
      await withPods('a,b');
      await cut();
      // All in one go, before the watch can come back: more changes than the server keeps, and among them a removal.
      bench.admin.ask('DELETE', '/api/v1/namespaces/shop/pods/a', { gracePeriodSeconds: 0 });
      for (let write = 0; write < 2500; write += 1) {
        bench.admin.merge(podPath(kept), { metadata: { annotations: { write: String(write) } } });
      }
      expect((await withPods('b')).pods[0]?.annotations['write']).toBe('2499');
    });

    it('survive a server that refuses, hangs up and is overloaded for a while', async () => {
      bench.admin.pod('a', {});
      await withPods('a');
      const watch = { path: /watch=true/ };
      faults().arm({ kind: 'status', status: 503 }, watch, 2);
      faults().arm({ kind: 'cut' }, watch, 2);
      faults().arm({ kind: 'status', status: 429 }, watch, 2);
      await cut();
      bench.admin.pod('b', {});
      expect((await withPods('a,b')).nodes).toHaveLength(1);
      await bench.until(() => faults().struck === 6);
    });
  });

  describe(`a cluster behind a bad wire, ${name}`, () => {
    let bench: Bench;
    beforeEach(async () => {
      bench = new Bench(await start());
    });
    afterEach(async () => {
      await bench.world.stop();
    });

    const arm = (...fault: Parameters<LabFaults['arm']>): void => bench.world.lab?.faults.arm(...fault);

    it('a conflict is read again and decided again', async () => {
      arm({ kind: 'status', status: 409 }, { method: 'PATCH' }, 2);
      expect(await bench.cordon('run-1')).toEqual({ kind: 'cordoned' });
      expect(bench.world.lab?.faults.struck).toBe(2);
    });

    it('a cordon whose answer was lost is ours when it is asked for again', async () => {
      arm({ kind: 'answerLost' }, { method: 'PATCH' });
      const error = await bench.errorOf(bench.cluster.cordon('node-a', 'run-1', 'x', never));
      expect(error).toMatchObject({ code: 'cluster/unreachable', disposition: 'retry' });
      expect(await bench.cordon('run-1')).toEqual({ kind: 'alreadyOurs' });
    });

    it('an eviction whose answer was lost is not made twice', async () => {
      const pod = bench.admin.pod('web-1', { app: 'web' });
      arm({ kind: 'answerLost' }, { method: 'POST', path: /eviction/ });
      await bench.errorOf(bench.cluster.evict(pod, never));
      expect(await bench.evict(pod)).toEqual({ kind: 'accepted' });
      expect([...bench.world.api.evictions.acceptedByUid.values()]).toEqual([1]);
    });

    it('an overloaded API is waited for as long as it asks', async () => {
      arm({ kind: 'status', status: 429, retryAfterSeconds: 2 }, { path: /version/ });
      const error = await bench.errorOf(bench.cluster.version(never));
      expect(error).toMatchObject({ code: 'cluster/throttled', disposition: 'wait', retryAfterMs: 2000 });
    });
  });
}
