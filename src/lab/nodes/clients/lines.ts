/** Connections that answer in lines or frames, one question at a time. They never connect a second time: a lost one is a fault. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const connectTries = 100;
const betweenTriesMs = 50;

/** Tries for five seconds: a server that was started a moment ago is not there yet. */
export async function connect(host: string, port: number): Promise<Socket> {
  for (let tries = 1; ; tries += 1) {
    const socket = createConnection({ host, port });
    try {
      await once(socket, 'connect');
      return socket.setNoDelay(true);
    } catch (error) {
      socket.destroy();
      if (tries >= connectTries) throw error;
      await sleep(betweenTriesMs);
    }
  }
}

/** Bytes that came, taken off by whoever knows how many make an answer. */
export class Inbox {
  #bytes: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #end: Error | undefined;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      this.#wake?.();
    });
    const onEnd = (error?: Error): void => {
      this.#end ??= error ?? new Error('the connection was closed');
      this.#wake?.();
    };
    socket.on('error', onEnd).on('close', () => onEnd());
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
