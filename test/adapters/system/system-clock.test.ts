import { expect, test } from 'vitest';
import { SystemClock, SystemRandom } from '../../../src/adapters/system/system-clock.ts';

test('a sleep lasts at least as long as it was asked for', async () => {
  const clock = new SystemClock();
  const startedMs = performance.now();
  await clock.sleep(40);
  // Node rounds timers down to the millisecond.
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(38);
  await clock.sleep(-5);
});

test('an abort ends a sleep at once, with its own reason, also one longer than a timer can be', async () => {
  const clock = new SystemClock();
  const reason = new Error('stop');
  const controller = new AbortController();
  const sleeping = clock.sleep(400 * 24 * 3_600_000, controller.signal);
  let ended = false;
  const noticed = sleeping.catch((error: unknown) => {
    ended = true;
    return error;
  });
  await clock.sleep(20);
  // A timer above 24.8 days would fire at once.
  expect(ended).toBe(false);
  controller.abort(reason);
  expect(await noticed).toBe(reason);
  await expect(clock.sleep(1, controller.signal)).rejects.toBe(reason);
});

test('chance stays in its range, and identifiers differ', () => {
  const random = new SystemRandom();
  const numbers = Array.from({ length: 1_000 }, () => random.next());
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
  expect(new Set(numbers).size).toBeGreaterThan(990);
  const ids = Array.from({ length: 200 }, () => random.id(12));
  expect(ids.every((id) => /^[a-z0-9]{12}$/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(200);
});
