/** The last answer to a question that seldom changes: asked again once it is too old. It never hands out an older one. */
import type { Clock } from '../ports/clock.ts';

export class Recent<T> {
  readonly #clock: Clock;
  readonly #maxAgeMs: number;
  readonly #ask: (signal: AbortSignal) => Promise<T>;
  #answer: { readonly value: T; readonly atMs: number } | undefined;

  constructor(clock: Clock, maxAgeMs: number, ask: (signal: AbortSignal) => Promise<T>) {
    this.#clock = clock;
    this.#maxAgeMs = maxAgeMs;
    this.#ask = ask;
  }

  async get(signal: AbortSignal): Promise<T> {
    const known = this.#answer;
    if (known && this.#clock.nowMs() - known.atMs < this.#maxAgeMs) return known.value;
    const value = await this.#ask(signal);
    this.#answer = { value, atMs: this.#clock.nowMs() };
    return value;
  }

  /** The last answer, however old; `undefined` before the first. */
  get last(): T | undefined {
    return this.#answer?.value;
  }
}
