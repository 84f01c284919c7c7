/** Chance from a seed: the same seed gives the same numbers on every machine. */
import type { Random } from '../ports/clock.ts';

export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Mulberry32: small, and good enough to draw faults with. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  id(length: number): string {
    const letters = '0123456789abcdefghijklmnopqrstuvwxyz';
    return Array.from({ length }, () => letters.charAt(Math.floor(this.next() * letters.length))).join('');
  }
}
