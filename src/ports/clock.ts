/** Time and chance, handed in so that tests and rehearsals can bring their own. */

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Resolves after `durationMs`; rejects with the signal's reason as soon as it is aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A short identifier, unique enough for one installation: lower-case letters and digits, `length` of them. */
  id(length: number): string;
}
