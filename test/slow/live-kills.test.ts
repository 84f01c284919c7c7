/** A daemon is killed at every single entry of the journal of a run whose pods move alive. */
import { expect, it } from 'vitest';
import { killAlong } from '../simulation/live.ts';

it('every memory comes through, in one copy, wherever a daemon is killed', { timeout: 600_000 }, async () => {
  expect(await killAlong(1)).toBeGreaterThan(150);
});
