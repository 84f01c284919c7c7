/** How long to leave the repository alone until the next look. Pure. */

const backOffMaxMs = 15 * 60_000;

/**
 * A tenth more or less, so that many daemons do not ask at once; after failures in a row twice as long each time, a
 * quarter of an hour at most, or the usual pause where that is longer.
 *
 * @param chance in [0, 1)
 */
export function pauseMs(pollMs: number, failures: number, chance: number): number {
  const slowed = Math.min(pollMs * 2 ** Math.min(failures, 20), Math.max(pollMs, backOffMaxMs));
  return Math.round(slowed * (0.9 + chance * 0.2));
}
