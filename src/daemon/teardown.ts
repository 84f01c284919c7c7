/** Takes down what was put up, last first, so that nothing is pulled away from under what still uses it. */
import type { Logger } from '../ports/logger.ts';

export class Teardown {
  readonly #logger: Logger;
  readonly #parts: { readonly name: string; readonly stop: () => Promise<unknown> | void }[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(name: string, stop: () => Promise<unknown> | void): void {
    this.#parts.push({ name, stop });
  }

  /** One part that fails does not keep the others from being taken down. */
  async run(): Promise<void> {
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) {
      try {
        await part.stop();
      } catch (error) {
        this.#logger.warn({ part: part.name, err: error }, 'could not be taken down cleanly');
      }
    }
  }
}
