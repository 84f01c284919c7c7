/** What a client of a moved server measures: answers, and the longest time without one. */

export interface ClientReport {
  /** Answers that were right, since the client began. */
  readonly answers: number;
  /** Since the report before. */
  readonly longestGapMs: number;
  /** How connections to a name ended, and how often. */
  readonly ends: Readonly<Record<string, number>>;
  /** How long the longest of them has said nothing before it ended. */
  readonly longestSilenceMs: number;
  /** What was wrong, in words: a lost connection, a lost write, a wrong answer. Empty is what everybody wants. */
  readonly faults: readonly string[];
}

const faultsMax = 20;

export class Meter {
  #answers = 0;
  #lastMs = performance.now();
  #longestGapMs = 0;
  #longestSilenceMs = 0;
  readonly #ends: Record<string, number> = {};
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
    this.onWait(gapMs);
  }

  /** No answer came, but the server is there again. */
  onWait(gapMs: number): void {
    this.#longestGapMs = Math.max(this.#longestGapMs, gapMs);
  }

  /** A connection ended that may be made anew. `askedMs`: when it was last asked something. */
  onEnd(error: unknown, askedMs: number): void {
    const how = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    this.#ends[how] = (this.#ends[how] ?? 0) + 1;
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, performance.now() - askedMs);
  }

  onFault(text: string): void {
    if (this.#faults.length < faultsMax) this.#faults.push(text);
  }

  report(): ClientReport {
    // A gap that is still open counts as long as it is by now.
    const openMs = performance.now() - this.#lastMs;
    const ends = { ...this.#ends };
    const [longestGapMs, longestSilenceMs] = [this.#longestGapMs, this.#longestSilenceMs];
    const report = { answers: this.#answers, longestGapMs, longestSilenceMs, ends, faults: [...this.#faults] };
    this.#longestGapMs = 0;
    return { ...report, longestGapMs: Math.max(report.longestGapMs, this.#answers === 0 ? openMs : 0) };
  }
}
