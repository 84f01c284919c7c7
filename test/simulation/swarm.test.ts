/**
 * Seeded runs of the whole engine with random faults. `SEEDS=2000` runs more of them, `SEED=17` one; the seeds that were
 * run are printed, and a failing one is a test to keep.
 */
import { describe, expect, it } from 'vitest';
import { tell, type Story } from './swarm.ts';

const first = Number(process.env['SEED'] ?? 1);
const count = process.env['SEED'] === undefined ? Number(process.env['SEEDS'] ?? 150) : 1;

describe('the engine under random faults', () => {
  it('keeps every invariant for every seed', { timeout: 3_600_000 }, async () => {
    const stories: Story[] = [];
    for (let seed = first; seed < first + count; seed += 1) stories.push(await tell(seed));
    const bad = stories.filter((story) => story.violations.length > 0 || story.errors.length > 0);
    const looks: Record<string, number> = {};
    for (const story of stories) {
      for (const [invariant, seen] of Object.entries(story.looks)) looks[invariant] = (looks[invariant] ?? 0) + seen;
    }
    const ends = Object.groupBy(stories, (story) => story.status);
    const endCounts = Object.fromEntries(Object.entries(ends).map(([status, list]) => [status, list?.length]));
    const kills = stories.reduce((sum, story) => sum + story.kills, 0);
    console.log(`SEED=${first}…${first + count - 1}`, { ends: endCounts, kills, looks });
    expect(bad.map(({ seed, violations, errors }) => ({ seed, violations, errors }))).toEqual([]);
    expect(Object.values(looks).every((seen) => seen > 0)).toBe(true);
    if (count > 1) expect(Object.keys(looks)).toHaveLength(8);
  });
});
