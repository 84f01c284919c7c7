/** What a client of a moved server measures: answers, and the longest time without one. */

export interface ClientReport {
  /** Answers that were right, since the client began. */
  readonly answers: number;
  /** Since the report before. */
  readonly longestGapMs: number;
  /** What was wrong, in words: a lost connection, a lost write, a wrong answer. Empty is what everybody wants. */
  readonly faults: readonly string[];
}

const faultsMax = 20;

export class Meter {
  #answers = 0;
  #lastMs = performance.now();
  #longestGapMs = 0;
  readonly #faults: string[] = [];

  get answers(): number {
    return this.#answers;
  }

  /** One answer after another on one line. */
  onAnswer(): void {
    const nowMs = performance.now();
    this.onGap(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /** One of many lines, that each wait for themselves. */
  onGap(gapMs: number): void {
    this.#answers += 1;
    this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
  }

  onFault(text: string): void {
    if (this.#faults.length < faultsMax) this.#faults.push(text);
  }

  report(): ClientReport {
    // A gap that is still open counts as long as it is by now.
    const openMs = performance.now() - this.#lastMs;
    const report = { answers: this.#answers, longestGapMs: this.#longestGapMs, faults: [...this.#faults] };
    this.#longestGapMs = 0;
    return { ...report, longestGapMs: Math.max(report.longestGapMs, this.#answers === 0 ? openMs : 0) };
  }
}
