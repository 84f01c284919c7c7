/** Connections that answer in lines or frames, one question at a time. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const betweenTriesMs = 50;
/** A server that was started a moment ago is not there yet; one that has a name may be on its way to another address. */
const addressMs = 5_000;
const nameMs = 60_000;

/** Where a server is: an address, or `NAME@FILE` with a file of names as in /etc/hosts. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Whoever goes by a name makes a lost connection anew; for the others it is a fault. */
export function isNamed({ host }: Place): boolean {
  return host.includes('@');
}

/** Looked up at every try. */
function addressOf({ host }: Place): string | undefined {
  const [name, file] = host.split('@');
  if (file === undefined) return host;
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.find((line) => line.endsWith(` ${name}`))?.split(' ')[0];
}

export async function connect(place: Place): Promise<Socket> {
  const untilMs = performance.now() + (isNamed(place) ? nameMs : addressMs);
  for (;;) {
    const host = addressOf(place);
    const socket = host === undefined ? undefined : createConnection({ host, port: place.port });
    try {
      if (!socket) throw new Error(`${place.host} has no address`);
      await once(socket, 'connect');
      return socket.setNoDelay(true);
    } catch (error) {
      socket?.destroy();
      if (performance.now() > untilMs) throw error;
      await sleep(betweenTriesMs);
    }
  }
}

/** Bytes that came, taken off by whoever knows how many make an answer. */
export class Inbox {
  #bytes: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #end: Error | undefined;
  readonly #ended = Promise.withResolvers<Error>();

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      this.#wake?.();
    });
    const onEnd = (error?: Error): void => {
      this.#end ??= error ?? new Error('the connection was closed');
      this.#ended.resolve(this.#end);
      this.#wake?.();
    };
    socket.on('error', onEnd).on('close', () => onEnd());
  }

  /** Resolves when the other side has ended the connection, or it broke. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** `read` gives the answer and how many bytes it took, or nothing where bytes are missing. */
  async take<T>(read: (bytes: Buffer) => { value: T; length: number } | undefined): Promise<T> {
    for (;;) {
      const found = read(this.#bytes);
      if (found) {
        this.#bytes = this.#bytes.subarray(found.length);
        return found.value;
      }
      if (this.#end) throw this.#end;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** For `take`: a line without its end. */
export function readLine(bytes: Buffer): { value: string; length: number } | undefined {
  const end = bytes.indexOf('\n');
  return end < 0 ? undefined : { value: bytes.toString('latin1', 0, end), length: end + 1 };
}
