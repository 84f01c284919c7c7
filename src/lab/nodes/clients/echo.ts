/**
 * Many open connections to a server that answers lines: each asks now and then, and gets its own line back, nothing else. From the
 * server that forks it gets two counts with it: that of the connection's process, and that of the memory that they share.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Inbox } from './lines.ts';
import type { Meter } from './meter.ts';

/** Every connection asks this often; together they ask about a thousand times a second. */
const betweenMs = 200;
/** Not all of them at once: a server takes its connections from a queue of some length. */
const atOnce = 20;

function readLine(bytes: Buffer): { value: string; length: number } | undefined {
  const end = bytes.indexOf('\n');
  return end < 0 ? undefined : { value: bytes.toString('latin1', 0, end), length: end + 1 };
}

export class EchoClient {
  readonly #meter: Meter;
  readonly #host: string;
  readonly #port: number;
  readonly #connections: number;
  readonly #counts: boolean;
  /** The highest count of all that an answer has told. */
  #total = 0;
  #answers = 0;
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(host: string, port: number, load: { connections: number; counts: boolean }, meter: Meter) {
    this.#host = host;
    this.#port = port;
    this.#connections = load.connections;
    this.#counts = load.counts;
    this.#meter = meter;
  }

  async start(): Promise<void> {
    const sockets = [];
    for (let first = 0; first < this.#connections; first += atOnce) {
      const count = Math.min(atOnce, this.#connections - first);
      sockets.push(...(await Promise.all(Array.from({ length: count }, () => connect(this.#host, this.#port)))));
    }
    this.#running = Promise.all(
      sockets.map(async (socket, number) => {
        try {
          await this.#ask(socket, number);
        } catch (error) {
          this.#meter.onFault(`connection ${number}: ${String(error)}`);
        }
        socket.destroy();
      }),
    );
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    const isRight = !this.#counts || this.#total === this.#answers;
    if (!isRight) this.#meter.onFault(`the server counted ${this.#total}, acknowledged were ${this.#answers}`);
  }

  async #ask(socket: Awaited<ReturnType<typeof connect>>, number: number): Promise<void> {
    const inbox = new Inbox(socket);
    await sleep((betweenMs * number) / this.#connections);
    for (let count = 0; !this.#isStopping; count += 1) {
      const line = `connection ${number} line ${count}`;
      const startedMs = performance.now();
      socket.write(`${line}\n`);
      const answer = await inbox.take(readLine);
      this.#meter.onGap(performance.now() - startedMs);
      this.#check(line, answer, count + 1);
      await sleep(betweenMs);
    }
  }

  #check(line: string, answer: string, own: number): void {
    const expected = this.#counts ? `${line} ${own}` : line;
    const told = this.#counts ? answer.slice(0, answer.lastIndexOf(' ')) : answer;
    if (told !== expected) this.#meter.onFault(`"${expected}" was right, "${answer}" was the answer`);
    this.#answers += 1;
    this.#total = Math.max(this.#total, Number(answer.slice(answer.lastIndexOf(' ') + 1)));
  }
}
