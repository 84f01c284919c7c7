/**
 * Invariant 10: the journal alone is enough to go on. A daemon is killed at every single entry of a run's journal, once
 * just before the entry is written (what it tells of is done, and nobody wrote it down) and once just after it (it is
 * written down, and nothing is done yet); another daemon takes over and reaches the same end.
 */
import { describe, expect, it } from 'vitest';
import { recoverAt } from './recovery.ts';

describe('a daemon that is killed at any entry of the journal', () => {
  it(
    'leaves a run that reaches the same end, with no second boot and no second power cycle',
    { timeout: 300_000 },
    async () => {
      const whole = await recoverAt(undefined);
      expect(whole.end).toEqual({
        status: 'done',
        servers: [
          { name: 'a', phase: 'done' },
          { name: 'b', phase: 'done' },
        ],
        boots: { a: 1, b: 1, c: 0 },
        powerCycles: { a: 0, b: 1, c: 0 },
      });
      expect(whole.entries).toBeGreaterThan(50);
      let kills = 0;
      for (const effect of ['before', 'after'] as const) {
        for (let call = 1; ; call += 1) {
          const { end, killed, violations, errors } = await recoverAt({ method: 'append', call, effect }, whole.end);
          if (!killed) break;
          kills += 1;
          expect({ effect, call, ...end }).toEqual({ effect, call, ...whole.end });
          expect([violations, errors]).toEqual([[], []]);
        }
      }
      console.log(`killed at ${kills} places of a journal with ${whole.entries} entries`);
      expect(kills).toBeGreaterThan(100);
    },
  );
});
