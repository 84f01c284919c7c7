/**
 * A client of PostgreSQL over one connection: inserts row after row, each in its own transaction, and counts in the end whether
 * every acknowledged one is there. What belongs to the session alone (a temporary table) has to survive as well.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Inbox, type Place } from './lines.ts';
import type { Meter } from './meter.ts';

const betweenMs = 2;
const protocolVersion = 196_608;

interface Message {
  readonly type: string;
  readonly body: Buffer;
}

/** Messages have a letter and a length that counts itself. */
function readMessage(bytes: Buffer): { value: Message; length: number } | undefined {
  if (bytes.length < 5) return undefined;
  const length = bytes.readInt32BE(1) + 1;
  if (bytes.length < length) return undefined;
  return { value: { type: bytes.toString('latin1', 0, 1), body: bytes.subarray(5, length) }, length };
}

export class PostgresClient {
  readonly #meter: Meter;
  readonly #place: Place;
  #socket: Awaited<ReturnType<typeof connect>> | undefined;
  #inbox: Inbox | undefined;
  #rows = 0;
  #backend = '';
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(place: Place, meter: Meter) {
    this.#place = place;
    this.#meter = meter;
  }

  async start(): Promise<void> {
    this.#socket = await connect(this.#place);
    this.#inbox = new Inbox(this.#socket);
    const words = Buffer.from('user\0postgres\0database\0postgres\0\0');
    const head = Buffer.alloc(8);
    head.writeInt32BE(words.length + 8, 0);
    head.writeInt32BE(protocolVersion, 4);
    this.#socket.write(Buffer.concat([head, words]));
    await this.#answer();
    await this.#query('create table if not exists work (n bigint primary key, at timestamptz default now())');
    await this.#query('truncate work');
    await this.#query('create temporary table mine as select 42 as answer');
    this.#backend = await this.#query('select pg_backend_pid()');
    this.#running = this.#insert().catch((error: unknown) => this.#meter.onFault(String(error)));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    try {
      const counted = await this.#query('select count(*) from work');
      if (Number(counted) !== this.#rows) this.#meter.onFault(`${counted} rows, acknowledged were ${this.#rows}`);
      const mine = await this.#query('select answer from mine');
      if (mine !== '42') this.#meter.onFault('the temporary table of the session is lost');
      if ((await this.#query('select pg_backend_pid()')) !== this.#backend)
        this.#meter.onFault('another backend answers');
    } catch (error) {
      this.#meter.onFault(String(error));
    }
    this.#socket?.destroy();
  }

  async #insert(): Promise<void> {
    while (!this.#isStopping) {
      await this.#query(`insert into work (n) values (${this.#rows + 1})`);
      this.#rows += 1;
      this.#meter.onAnswer();
      await sleep(betweenMs);
    }
  }

  /** The first field of the last row, or nothing. */
  async #query(text: string): Promise<string> {
    const words = Buffer.from(`${text}\0`);
    const head = Buffer.alloc(5);
    head.write('Q', 0);
    head.writeInt32BE(words.length + 4, 1);
    this.#socket?.write(Buffer.concat([head, words]));
    return await this.#answer();
  }

  /** Everything until the server is ready for the next query. */
  async #answer(): Promise<string> {
    let field = '';
    for (;;) {
      const message = await this.#inbox?.take(readMessage);
      if (!message || message.type === 'Z') return field;
      if (message.type === 'E')
        throw new Error(`PostgreSQL refused: ${message.body.toString('latin1').replaceAll('\0', ' ')}`);
      if (message.type === 'D')
        field = message.body.toString('latin1', 6, 6 + Math.max(0, message.body.readInt32BE(2)));
    }
  }
}
