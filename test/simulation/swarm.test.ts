/**
 * Seeded runs of the whole engine with random faults. `SEEDS=2000` runs more of them, `SEED=17` one; the seeds that were
 * run are printed, and a failing one is a test to keep.
 */
import { describe, expect, it } from 'vitest';
import { tellMany } from './swarm.ts';

const first = Number(process.env['SEED'] ?? 1);
const count = process.env['SEED'] === undefined ? Number(process.env['SEEDS'] ?? 150) : 1;

describe('the engine under random faults', () => {
  it('keeps every invariant for every seed', { timeout: 3_600_000 }, async () => {
    const swarm = await tellMany(first, count);
    console.log(swarm.summary);
    expect(swarm.bad).toEqual([]);
    if (count > 1) expect(Object.keys(swarm.looks)).toHaveLength(10);
  });
});
