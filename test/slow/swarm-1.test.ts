/** The first half of the 2,000 stories that must be without fault; two files, so that both cores are used. */
import { expect, it } from 'vitest';
import { tellMany } from '../simulation/swarm.ts';

it('1,000 random runs keep every invariant (seeds 1 to 1,000)', { timeout: 1_800_000 }, async () => {
  const swarm = await tellMany(1, 1_000);
  console.log(swarm.summary);
  expect(swarm.bad).toEqual([]);
  expect(Object.keys(swarm.looks)).toHaveLength(10);
});
