/**
 * A client of redis: counts up in one key over one connection, every answer has to be one more than the last. It fills the
 * memory before, can go on writing into it meanwhile, and checks in the end that everything that was written is there. Where
 * it may connect anew it asks first what became of the write that was under way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Inbox, isNamed, type Place } from './lines.ts';
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
  readonly #place: Place;
  readonly #meter: Meter;
  #socket;
  #inbox;
  #askedMs = 0;

  private constructor(place: Place, meter: Meter, socket: Awaited<ReturnType<typeof connect>>) {
    this.#place = place;
    this.#meter = meter;
    this.#socket = socket;
    this.#inbox = new Inbox(socket);
  }

  static async open(place: Place, meter: Meter): Promise<RedisConnection> {
    return new RedisConnection(place, meter, await connect(place));
  }

  /** After the error that it ended with, which is thrown where there is no name to go by. */
  async openAgain(error: unknown, askedMs = this.#askedMs): Promise<void> {
    if (!isNamed(this.#place)) throw error;
    this.#meter.onEnd(error, askedMs);
    this.close();
    this.#socket = await connect(this.#place);
    this.#inbox = new Inbox(this.#socket);
  }

  send(...words: readonly (string | Buffer)[]): void {
    this.#askedMs = performance.now();
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

  /** For what may be asked twice. */
  async askAgain(...words: readonly (string | Buffer)[]): Promise<Reply> {
    for (;;) {
      try {
        return await this.ask(...words);
      } catch (error) {
        await this.openAgain(error);
      }
    }
  }

  get ended(): Promise<Error> {
    return this.#inbox.ended;
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
  readonly #place: Place;
  readonly #load: RedisLoad;
  /** By number: the version that redis has acknowledged. */
  readonly #versions: number[];
  #counter = 0;
  #isStopping = false;
  readonly #stopped = Promise.withResolvers<undefined>();
  #running: Promise<unknown> = Promise.resolve();
  #lines: RedisConnection[] = [];

  constructor(place: Place, load: RedisLoad, meter: Meter) {
    this.#place = place;
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
    this.#stopped.resolve(undefined);
    await this.#running;
    const [reading] = this.#lines;
    if (!reading) return;
    try {
      const counter = Number(await reading.askAgain('GET', 'counter'));
      if (counter !== this.#counter)
        this.#meter.onFault(`the counter is ${counter}, acknowledged were ${this.#counter}`);
      for (const [number, version] of this.#versions.entries()) {
        const found = await reading.askAgain('GET', `block:${number}`);
        if (found !== block(number, version).toString('latin1'))
          this.#meter.onFault(`block ${number} is not what was written`);
      }
    } catch (error) {
      this.#meter.onFault(String(error));
    }
    for (const line of this.#lines) line.close();
  }

  async #open(): Promise<RedisConnection> {
    const line = await RedisConnection.open(this.#place, this.#meter);
    this.#lines.push(line);
    return line;
  }

  async #count(line: RedisConnection): Promise<void> {
    while (!this.#isStopping) {
      const answer = await this.#increment(line);
      if (answer !== this.#counter + 1) this.#meter.onFault(`INCR answered ${answer} after ${this.#counter}`);
      this.#counter = answer;
      this.#meter.onAnswer();
      await sleep(betweenMs);
    }
  }

  /** What was asked for last when the connection ended may have been done or not. */
  async #increment(line: RedisConnection): Promise<number> {
    for (;;) {
      try {
        return Number(await line.ask('INCR', 'counter'));
      } catch (error) {
        await line.openAgain(error);
        const found = Number((await line.askAgain('GET', 'counter')) ?? '0');
        if (found !== this.#counter) return found;
      }
    }
  }

  /** Asks nothing, and still has to hear of an end. */
  async #idle(line: RedisConnection): Promise<void> {
    for (;;) {
      const error = await Promise.race([line.ended, this.#stopped.promise]);
      if (!error) return;
      await line.openAgain(error, performance.now());
    }
  }

  async #write(line: RedisConnection): Promise<void> {
    const perSecond = this.#load.writtenMegabytesPerSecond * blocksPerMegabyte;
    if (perSecond === 0) return await this.#idle(line);
    for (let number = 0; !this.#isStopping; number = (number + 1) % this.#versions.length) {
      const version = (this.#versions[number] ?? 0) + 1;
      await line.askAgain('SET', `block:${number}`, block(number, version));
      this.#versions[number] = version;
      await sleep(1_000 / perSecond);
    }
  }
}
