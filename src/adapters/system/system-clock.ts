/** Real time and real chance, behind the ports that tests and rehearsals replace. It decides nothing. */
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock, Random } from '../../ports/clock.ts';

/** Node fires a longer timer at once. */
const timerMaxMs = 2_147_483_647;

export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    for (let leftMs = durationMs; ; leftMs -= timerMaxMs) {
      signal?.throwIfAborted();
      try {
        await wait(Math.max(0, Math.min(leftMs, timerMaxMs)), undefined, signal ? { signal } : {});
      } catch (error) {
        // Node wraps the reason in an AbortError of its own; the port promises the reason itself.
        signal?.throwIfAborted();
        throw error;
      }
      if (leftMs <= timerMaxMs) return;
    }
  }
}

const letters = '0123456789abcdefghijklmnopqrstuvwxyz';
/** The widest range that `randomInt` draws from. */
const range = 2 ** 48 - 1;

export class SystemRandom implements Random {
  next(): number {
    return randomInt(range) / range;
  }

  id(length: number): string {
    return Array.from({ length }, () => letters.charAt(randomInt(letters.length))).join('');
  }
}
