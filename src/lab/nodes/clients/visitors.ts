/** Short visits to a server that answers lines: a connection for each question, as browsers and load balancers make them. */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inbox, readLine, type Place } from './lines.ts';
import type { Meter } from './meter.ts';

/** From the end of a visit to the next one of the same visitor; less would be a test of the server, not of what is done with it. */
const betweenMs = 10;

export class VisitorsClient {
  readonly #meter: Meter;
  readonly #place: Place;
  readonly #atOnce: number;
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(place: Place, load: { connections: number }, meter: Meter) {
    this.#place = place;
    this.#atOnce = load.connections;
    this.#meter = meter;
  }

  async start(): Promise<void> {
    await this.#visit('first');
    this.#running = Promise.all(Array.from({ length: this.#atOnce }, (_, number) => this.#visitAgain(number)));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #visitAgain(number: number): Promise<void> {
    for (let count = 0; !this.#isStopping; count += 1) {
      const startedMs = performance.now();
      try {
        await this.#visit(`visitor ${number} line ${count}`);
        this.#meter.onGap(performance.now() - startedMs);
      } catch (error) {
        this.#meter.onFault(`visitor ${number}: ${String(error)}`);
      }
      await sleep(betweenMs);
    }
  }

  async #visit(line: string): Promise<void> {
    // A connection that is refused is a fault, too: nobody tries a second time.
    const socket = createConnection(this.#place);
    try {
      await once(socket, 'connect');
      socket.write(`${line}\n`);
      const answer = await new Inbox(socket).take(readLine);
      if (answer !== line) throw new Error(`"${line}" was right, "${answer}" was the answer`);
    } finally {
      socket.destroy();
    }
  }
}
