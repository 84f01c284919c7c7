/** The same trouble again and again is one line in the log, with a count; not one line each time. */
import type { LogFields, Logger } from '../../ports/logger.ts';

const intervalMs = 30_000;

export class QuietWarning {
  readonly #logger: Logger;
  readonly #texts = new Map<string, { warnedAtMs: number; withheld: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  warn(fields: LogFields, text: string): void {
    const state = this.#texts.get(text);
    if (state && performance.now() - state.warnedAtMs < intervalMs) {
      state.withheld += 1;
      return;
    }
    this.#texts.set(text, { warnedAtMs: performance.now(), withheld: 0 });
    this.#logger.warn({ ...withoutCommands(fields), withheldBefore: state?.withheld ?? 0 }, text);
  }
}

/** The client's errors carry the command with its arguments, among them the password. */
function withoutCommands(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
}
