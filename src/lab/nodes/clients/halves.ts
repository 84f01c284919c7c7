/**
 * Connections that one side has closed while the other has something to say yet. `late`: we close, and the server answers only
 * once it is told to. `early`: the server says goodbye and closes, and we send our part at the end.
 */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { Inbox, readLine, type Place } from './lines.ts';
import type { Meter } from './meter.ts';

export class HalvesClient {
  readonly #meter: Meter;
  readonly #place: Place;
  readonly #connections: number;
  #late: Socket[] = [];
  #early: Socket[] = [];
  #inboxes = new Map<Socket, Inbox>();

  constructor(place: Place, load: { connections: number }, meter: Meter) {
    this.#place = place;
    this.#connections = load.connections;
    this.#meter = meter;
  }

  async start(): Promise<void> {
    const all = (word: string): Promise<Socket[]> =>
      Promise.all(Array.from({ length: this.#connections }, (_, number) => this.#open(`${word} ${number}`)));
    this.#late = await all('late');
    for (const socket of this.#late) socket.end();
    this.#early = await all('early');
    for (const socket of this.#early) await this.#expect(socket, 'bye');
  }

  async stop(): Promise<void> {
    for (const socket of this.#early) socket.end('x');
    await this.#told('release');
    for (const [number, socket] of this.#late.entries()) await this.#expect(socket, `late ${number}`);
    const total = await this.#told('release');
    if (total !== String(this.#connections)) {
      this.#meter.onFault(`${this.#connections} sent their part at the end, ${total} came`);
    }
  }

  async #told(word: string): Promise<string> {
    const socket = await this.#open(word);
    const answer = await this.#inbox(socket).take(readLine);
    socket.end();
    return answer;
  }

  async #expect(socket: Socket, expected: string): Promise<void> {
    const answer = await this.#inbox(socket)
      .take(readLine)
      .catch((error: unknown) => String(error));
    if (answer !== expected) this.#meter.onFault(`"${expected}" was right, "${answer}" was the answer`);
    else this.#meter.onAnswer();
  }

  async #open(line: string): Promise<Socket> {
    const socket = createConnection({ ...this.#place, allowHalfOpen: true });
    this.#inboxes.set(socket, new Inbox(socket));
    await once(socket, 'connect');
    socket.write(`${line}\n`);
    return socket;
  }

  #inbox(socket: Socket): Inbox {
    return this.#inboxes.get(socket) ?? new Inbox(socket);
  }
}
