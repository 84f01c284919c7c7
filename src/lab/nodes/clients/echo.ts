/** Many open connections to a server that echoes lines: each asks now and then, and gets its own line back, nothing else. */
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
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(host: string, port: number, connections: number, meter: Meter) {
    this.#host = host;
    this.#port = port;
    this.#connections = connections;
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
      if (answer !== line) this.#meter.onFault(`connection ${number} sent "${line}", got "${answer}"`);
      await sleep(betweenMs);
    }
  }
}
