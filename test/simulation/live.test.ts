/** Whole runs whose pods move alive, in virtual time: limits, failures, and a daemon killed at every entry of the journal. */
import { describe, expect, it } from 'vitest';
import { killAlong, tellLive } from './live.ts';

const well = { violations: [], errors: [] };

describe('a run whose pods move alive', () => {
  it('keeps every memory, evicts nobody, and reboots every server once', async () => {
    const story = await tellLive();
    expect(story).toMatchObject({ ...well, status: 'done', phases: ['done', 'done'], evictions: 0 });
    expect(story.boots).toEqual({ a: 1, b: 1, c: 0, d: 0 });
    expect(story.memories).toBe(6);
    expect(story.kept).toBe(6);
    expect(story.committed).toBeGreaterThan(0);
    expect(story.most).toEqual({ copies: 1, perServer: 1, inAll: 1 });
  });

  it('moves one at a time from each server, and no two pods of one budget, also where two servers are emptied at once', async () => {
    const story = await tellLive({ rollout: { maxUnavailable: 2, maxParallel: 2 } });
    expect(story).toMatchObject({ ...well, status: 'done', kept: 6, evictions: 0 });
    expect(story.most.perServer).toBe(1);
  });

  it('tries another node after a rollback, and then gives the server back rather than restart what must not be', async () => {
    const story = await tellLive({ faultOf: (pod) => (pod.startsWith('db-') ? 'copyFails' : 'none') });
    expect(story).toMatchObject({ ...well, kept: 6, evictions: 0 });
    expect(story.boots).toMatchObject({ c: 0, d: 0 });
    expect(story.phases).toContain('undone');
  });

  it('restarts a pod that cannot move alive where the plan allows it, and only that one', async () => {
    const story = await tellLive({
      prefer: ['live', 'evict'],
      rules: [],
      faultOf: (pod) => (pod === 'db-0' ? 'refuses' : 'none'),
    });
    expect(story).toMatchObject({ ...well, status: 'done' });
    expect(story.kept).toBeGreaterThanOrEqual(5);
  });

  it('survives a daemon that is killed, with the same end (every entry: test/slow)', { timeout: 120_000 }, async () => {
    const kills = await killAlong(9);
    expect(kills).toBeGreaterThan(15);
  });
});
