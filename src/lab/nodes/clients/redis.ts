/**
 * A client of redis: counts up in one key over one connection, every answer has to be one more than the last. It fills the
 * memory before, can go on writing into it meanwhile, and checks in the end that everything that was written is there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Inbox } from './lines.ts';
import type { Meter } from './meter.ts';

export interface RedisLoad {
  readonly megabytes: number;
  /** How much is written anew per second while it counts. */
  readonly writtenMegabytesPerSecond: number;
}

const kilobyte = 1_024;
const blockBytes = 64 * kilobyte;
const blocksPerMegabyte = 16;
const betweenMs = 2;
const batch = 32;

type Reply = string | undefined;

class RedisConnection {
  readonly #socket;
  readonly #inbox;

  private constructor(socket: Awaited<ReturnType<typeof connect>>) {
    this.#socket = socket;
    this.#inbox = new Inbox(socket);
  }

  static async open(host: string, port: number): Promise<RedisConnection> {
    return new RedisConnection(await connect(host, port));
  }

  send(...words: readonly (string | Buffer)[]): void {
    const parts = words.flatMap((word) => [`$${Buffer.byteLength(word)}\r\n`, word, '\r\n']);
    this.#socket.write(Buffer.concat([`*${words.length}\r\n`, ...parts].map((part) => Buffer.from(part))));
  }

  async reply(): Promise<Reply> {
    return await this.#inbox.take(readReply);
  }

  async ask(...words: readonly (string | Buffer)[]): Promise<Reply> {
    this.send(...words);
    return await this.reply();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The four kinds of answer that the commands here have. */
function readReply(bytes: Buffer): { value: Reply; length: number } | undefined {
  const end = bytes.indexOf('\r\n');
  if (end < 0) return undefined;
  const [kind, line] = [bytes.toString('latin1', 0, 1), bytes.toString('latin1', 1, end)];
  if (kind === '-') throw new Error(`redis refused: ${line}`);
  if (kind !== '$') return { value: line, length: end + 2 };
  const size = Number(line);
  if (size < 0) return { value: undefined, length: end + 2 };
  if (bytes.length < end + 2 + size + 2) return undefined;
  return { value: bytes.toString('latin1', end + 2, end + 2 + size), length: end + 2 + size + 2 };
}

/** Every block is another one, and one can tell from its number and version what has to stand in it. */
function block(number: number, version: number): Buffer {
  return Buffer.alloc(blockBytes, `${number}.${version};`);
}

export class RedisClient {
  readonly #meter: Meter;
  readonly #host: string;
  readonly #port: number;
  readonly #load: RedisLoad;
  /** By number: the version that redis has acknowledged. */
  readonly #versions: number[];
  #counter = 0;
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();
  #lines: RedisConnection[] = [];

  constructor(host: string, port: number, load: RedisLoad, meter: Meter) {
    this.#host = host;
    this.#port = port;
    this.#load = load;
    this.#meter = meter;
    this.#versions = Array.from({ length: load.megabytes * blocksPerMegabyte }, () => 0);
  }

  async start(): Promise<void> {
    const [counting, filling] = [await this.#open(), await this.#open()];
    for (let first = 0; first < this.#versions.length; first += batch) {
      const numbers = this.#versions.keys().drop(first).take(batch).toArray();
      for (const number of numbers) filling.send('SET', `block:${number}`, block(number, 0));
      for (const _number of numbers) await filling.reply();
    }
    this.#running = Promise.all([this.#count(counting), this.#write(filling)]).catch((error: unknown) => {
      this.#meter.onFault(String(error));
    });
  }

  /** Reads everything back. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    const [reading] = this.#lines;
    if (!reading) return;
    try {
      const counter = Number(await reading.ask('GET', 'counter'));
      if (counter !== this.#counter)
        this.#meter.onFault(`the counter is ${counter}, acknowledged were ${this.#counter}`);
      for (const [number, version] of this.#versions.entries()) {
        const found = await reading.ask('GET', `block:${number}`);
        if (found !== block(number, version).toString('latin1'))
          this.#meter.onFault(`block ${number} is not what was written`);
      }
    } catch (error) {
      this.#meter.onFault(String(error));
    }
    for (const line of this.#lines) line.close();
  }

  async #open(): Promise<RedisConnection> {
    const line = await RedisConnection.open(this.#host, this.#port);
    this.#lines.push(line);
    return line;
  }

  async #count(line: RedisConnection): Promise<void> {
    while (!this.#isStopping) {
      const answer = Number(await line.ask('INCR', 'counter'));
      if (answer !== this.#counter + 1) this.#meter.onFault(`INCR answered ${answer} after ${this.#counter}`);
      this.#counter = answer;
      this.#meter.onAnswer();
      await sleep(betweenMs);
    }
  }

  async #write(line: RedisConnection): Promise<void> {
    const perSecond = this.#load.writtenMegabytesPerSecond * blocksPerMegabyte;
    if (perSecond === 0) return;
    for (let number = 0; !this.#isStopping; number = (number + 1) % this.#versions.length) {
      const version = (this.#versions[number] ?? 0) + 1;
      await line.ask('SET', `block:${number}`, block(number, version));
      this.#versions[number] = version;
      await sleep(1_000 / perSecond);
    }
  }
}
