/** What leases promise, whatever they are kept in. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Lease, Leases } from '../../src/ports/leases.ts';
import { eventually } from '../adapters/redis/own-redis.ts';

export interface LeasesWorld {
  readonly leases: Leases;
  readonly otherLeases: Leases;
  /** Lets a lease run out; its holder notices in the course of `eventually`. */
  expire(name: string): Promise<void>;
  close(): Promise<void>;
}

async function granted(leases: Leases, name: string): Promise<Lease> {
  const lease = await leases.acquire(name);
  if ('heldBy' in lease) throw new Error(`held by ${lease.heldBy}`);
  return lease;
}

export function leasesContract(kind: string, make: () => Promise<LeasesWorld>): void {
  describe(`leases in ${kind}`, () => {
    let world: LeasesWorld;
    beforeEach(async () => {
      world = await make();
    });
    afterEach(() => world.close());

    test('a free lease is granted, and says to others who holds it', async () => {
      const lease = await granted(world.leases, 'server/one');
      expect(lease).toMatchObject({ name: 'server/one', holder: 'daemon a (pid 1)' });
      expect(lease.lost.aborted).toBe(false);
      expect(await world.otherLeases.acquire('server/one')).toEqual({ heldBy: 'daemon a (pid 1)' });
    });

    test('the same holder is not granted the same lease twice', async () => {
      await granted(world.leases, 'server/one');
      expect(await world.leases.acquire('server/one')).toEqual({ heldBy: 'daemon a (pid 1)' });
    });

    test('of many who ask at once exactly one is granted', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? world.leases : world.otherLeases).acquire('server/one'),
        ),
      );
      expect(answers.filter((answer) => !('heldBy' in answer))).toHaveLength(1);
    });

    test('leases of different names do not touch', async () => {
      const one = await granted(world.leases, 'server/one');
      const two = await granted(world.otherLeases, 'server/one:two %');
      expect(await world.leases.holders()).toEqual({ [one.name]: one.holder, [two.name]: two.holder });
    });

    test('what was given back is free, and no longer listed', async () => {
      const lease = await granted(world.leases, 'server/one');
      await lease.release();
      expect(await world.leases.holders()).toEqual({});
      await granted(world.otherLeases, 'server/one');
      // Given back a second time it must not take the lease from its new holder.
      await lease.release();
      expect(await world.leases.holders()).toEqual({ 'server/one': 'daemon b (pid 2)' });
      expect(lease.lost.aborted).toBe(false);
    });

    test('tokens grow with every grant of a name, whoever gets it and however it ended', async () => {
      const tokens: number[] = [];
      for (const leases of [world.leases, world.otherLeases, world.leases]) {
        const lease = await granted(leases, 'server/one');
        tokens.push(lease.token);
        await lease.release();
      }
      tokens.push((await granted(world.leases, 'server/one')).token);
      await world.expire('server/one');
      tokens.push((await granted(world.otherLeases, 'server/one')).token);
      expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
      expect(new Set(tokens).size).toBe(5);
    });

    test('who could not renew in time is told so, and may not keep its successor from the lease', async () => {
      const lease = await granted(world.leases, 'server/one');
      await world.expire('server/one');
      const next = await granted(world.otherLeases, 'server/one');
      await eventually('the holder notices', () => lease.lost.aborted);
      expect(lease.lost.reason).toBeInstanceOf(MaintenanceError);
      expect(lease.lost.reason).toMatchObject({ code: 'lease/lost', details: { lease: 'server/one' } });
      await lease.release();
      expect(await world.leases.acquire('server/one')).toEqual({ heldBy: next.holder });
    });
  });
}
