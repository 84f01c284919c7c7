/** Objects of any kind: what live movers rely on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordAt, textAt } from '../../src/cluster/json.ts';
import type { ApiObjects } from '../../src/ports/objects.ts';
import { pitcrewUser } from '../../src/simulator/kubernetes/access.ts';
import { defineKind } from '../../src/simulator/kubernetes/kinds.ts';
import { Refusal } from '../../src/simulator/kubernetes/refusal.ts';
import { Admin, never, otherUid, type ClusterWorld } from './cluster-bench.ts';

export interface ObjectsWorld extends ClusterWorld {
  readonly objects: ApiObjects;
}

const served = defineKind({
  group: 'paguro.dev',
  version: 'v1alpha1',
  resource: 'migrations',
  kind: 'Migration',
  hasStatus: true,
  isCustom: true,
});
const migrations = { group: 'paguro.dev', version: 'v1alpha1', resource: 'migrations' };
const nodes = { group: '', version: 'v1', resource: 'nodes' };
const path = '/apis/paguro.dev/v1alpha1/namespaces/shop/migrations';
const place = { namespace: 'shop', name: 'm-1' };
const body = {
  apiVersion: 'paguro.dev/v1alpha1',
  kind: 'Migration',
  metadata: { name: 'm-1' },
  spec: { podName: 'db-0' },
};

export function objectsContract(name: string, make: () => Promise<ObjectsWorld>): void {
  describe(`objects of any kind (${name})`, () => {
    let world: ObjectsWorld;
    let admin: Admin;
    beforeEach(async () => {
      world = await make();
      admin = new Admin(world.api);
      admin.namespace('shop');
      world.api.kinds.add(served);
    });
    afterEach(async () => {
      await world.stop();
    });
    const uidOf = (): string => textAt(recordAt(admin.read(`${path}/m-1`), 'metadata'), 'uid');

    it('says which kinds are served, of its own groups and of others', async () => {
      expect(await world.objects.serves(migrations, never)).toBe(true);
      expect(await world.objects.serves(nodes, never)).toBe(true);
      expect(await world.objects.serves({ ...migrations, resource: 'other' }, never)).toBe(false);
      expect(await world.objects.serves({ ...migrations, group: 'live.cast.ai' }, never)).toBe(false);
    });

    it('says in which versions a group is served, whatever it serves of it', async () => {
      world.api.kinds.add(defineKind({ ...served, version: 'v1beta1' }));
      expect((await world.objects.servedVersions('paguro.dev', never)).toSorted()).toEqual(['v1alpha1', 'v1beta1']);
      expect(await world.objects.servedVersions('live.cast.ai', never)).toEqual([]);
    });

    it('creates once: a second object of that name is left as the first was', async () => {
      expect(await world.objects.create(migrations, 'shop', body, never)).toBe('created');
      const second = { ...body, spec: { podName: 'other' } };
      expect(await world.objects.create(migrations, 'shop', second, never)).toBe('exists');
      const found = await world.objects.get(migrations, place, never);
      expect(recordAt(found, 'spec')).toEqual({ podName: 'db-0' });
    });

    it('reads one, lists those of a namespace and of all, by labels too', async () => {
      admin.namespace('other');
      admin.create(path, { ...body, metadata: { name: 'm-1', labels: { by: 'us' } } });
      admin.create(path.replace('shop', 'other'), { ...body, metadata: { name: 'm-2' } });
      const names = async (where: Parameters<ApiObjects['list']>[1]): Promise<string[]> =>
        (await world.objects.list(migrations, where, never)).map((item) => textAt(recordAt(item, 'metadata'), 'name'));
      expect((await names({})).sort()).toEqual(['m-1', 'm-2']);
      expect(await names({ namespace: 'other' })).toEqual(['m-2']);
      expect(await names({ labelSelector: 'by=us' })).toEqual(['m-1']);
      expect(await world.objects.get(migrations, { ...place, name: 'none' }, never)).toBeUndefined();
    });

    it('removes only the one that was meant, and one that is gone is gone', async () => {
      admin.create(path, body);
      expect(await world.objects.remove(migrations, place, otherUid, never)).toBe('gone');
      expect(await world.objects.get(migrations, place, never)).toBeDefined();
      expect(await world.objects.remove(migrations, place, uidOf(), never)).toBe('asked');
      expect(await world.objects.get(migrations, place, never)).toBeUndefined();
      expect(await world.objects.remove(migrations, place, otherUid, never)).toBe('gone');
    });

    it('leaves one with a finalizer there, on its way out', async () => {
      admin.create(path, { ...body, metadata: { name: 'm-1', finalizers: ['paguro.dev/thaw-guard'] } });
      expect(await world.objects.remove(migrations, place, uidOf(), never)).toBe('asked');
      const metadata = recordAt(await world.objects.get(migrations, place, never), 'metadata');
      expect(textAt(metadata, 'deletionTimestamp')).not.toBe('');
    });

    it('previews what would be made of an object, and makes nothing', async () => {
      const preview = await world.objects.preview(migrations, 'shop', body, never);
      expect(recordAt(preview, 'spec')).toEqual({ podName: 'db-0' });
      expect(await world.objects.get(migrations, place, never)).toBeUndefined();
    });

    it('takes a pod’s object away at once where no grace is given', async () => {
      admin.node('node-a');
      const { uid } = admin.pod('db-0', {});
      const pods = { group: '', version: 'v1', resource: 'pods' };
      const pod = { namespace: 'shop', name: 'db-0' };
      world.api.access.grant(pitcrewUser, [{ verbs: ['*'], groups: [''], resources: ['pods'] }]);
      expect(await world.objects.remove(pods, pod, uid, never, 0)).toBe('asked');
      expect(await world.objects.get(pods, pod, never)).toBeUndefined();
    });

    it('tells a missing right from a refusal, and each says why', async () => {
      world.api.registry.admitters.push((kind, draft) => {
        if (kind === served) throw new Refusal(422, 'Invalid', 'admission webhook "x" denied the request: busy');
        return draft;
      });
      await expect(world.objects.create(migrations, 'shop', body, never)).rejects.toMatchObject({
        code: 'cluster/refused',
        disposition: 'halt',
        message: expect.stringContaining('denied the request: busy') as string,
      });
      world.api.access.grant(pitcrewUser, []);
      await expect(world.objects.create(migrations, 'shop', body, never)).rejects.toMatchObject({
        code: 'cluster/forbidden',
        disposition: 'halt',
      });
    });
  });
}
