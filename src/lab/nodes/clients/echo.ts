/**
 * Many open connections to a server that answers lines: each asks now and then, and gets its own line back, nothing else. From the
 * server that forks it gets two counts with it: that of the connection's process, and that of the memory that they share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Inbox, isNamed, readLine, type Place } from './lines.ts';
import type { Meter } from './meter.ts';

/** Every connection asks this often; together they ask about a thousand times a second. */
const betweenMs = 200;
/** Not all of them at once: a server takes its connections from a queue of some length. */
const atOnce = 20;

export class EchoClient {
  readonly #meter: Meter;
  readonly #place: Place;
  readonly #connections: number;
  readonly #counts: boolean;
  /** The highest count of all that an answer has told. */
  #total = 0;
  #answers = 0;
  /** Of these it is not known whether the server has counted them. */
  #lost = 0;
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(place: Place, load: { connections: number; counts: boolean }, meter: Meter) {
    this.#place = place;
    this.#connections = load.connections;
    this.#counts = load.counts;
    this.#meter = meter;
  }

  async start(): Promise<void> {
    const sockets = [];
    for (let first = 0; first < this.#connections; first += atOnce) {
      const count = Math.min(atOnce, this.#connections - first);
      sockets.push(...(await Promise.all(Array.from({ length: count }, () => connect(this.#place)))));
    }
    this.#running = Promise.all(
      sockets.map(async (socket, number) => {
        try {
          await this.#ask(socket, number);
        } catch (error) {
          this.#meter.onFault(`connection ${number}: ${String(error)}`);
        }
      }),
    );
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    const isRight = this.#total >= this.#answers && this.#total <= this.#answers + this.#lost;
    if (this.#counts && !isRight)
      this.#meter.onFault(`the server counted ${this.#total}, acknowledged were ${this.#answers}`);
  }

  async #ask(first: Awaited<ReturnType<typeof connect>>, number: number): Promise<void> {
    let [socket, inbox, own] = [first, new Inbox(first), 0];
    await sleep((betweenMs * number) / this.#connections);
    for (let count = 0; !this.#isStopping; count += 1) {
      const line = `connection ${number} line ${count}`;
      const startedMs = performance.now();
      try {
        socket.write(`${line}\n`);
        const answer = await inbox.take(readLine);
        own += 1;
        this.#meter.onGap(performance.now() - startedMs);
        this.#check(line, answer, own);
      } catch (error) {
        socket.destroy();
        if (!isNamed(this.#place)) throw error;
        this.#meter.onEnd(error, startedMs);
        this.#lost += 1;
        socket = await connect(this.#place);
        [inbox, own] = [new Inbox(socket), 0];
        this.#meter.onWait(performance.now() - startedMs);
      }
      await sleep(betweenMs);
    }
    socket.destroy();
  }

  #check(line: string, answer: string, own: number): void {
    const expected = this.#counts ? `${line} ${own}` : line;
    const told = this.#counts ? answer.slice(0, answer.lastIndexOf(' ')) : answer;
    if (told !== expected) this.#meter.onFault(`"${expected}" was right, "${answer}" was the answer`);
    this.#answers += 1;
    this.#total = Math.max(this.#total, Number(answer.slice(answer.lastIndexOf(' ') + 1)));
  }
}
