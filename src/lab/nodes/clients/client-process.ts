/** A client of a pod as a process in the lab's client network; tells what it measures whenever it is asked. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Network } from '../network.ts';
import type { ClientReport } from './meter.ts';

export type ClientKind =
  | { readonly kind: 'redis'; readonly megabytes: number; readonly writtenMegabytesPerSecond?: number | undefined }
  | { readonly kind: 'postgres' }
  | { readonly kind: 'echo' | 'forking' | 'visitors' | 'halves'; readonly connections: number };

const program = path.join(import.meta.dirname, 'main.ts');
/** Filling 500 MB on a busy machine takes a while, reading them back too. */
const answerMs = 120_000;

export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async start(network: Network, client: ClientKind, host: string, port: number): Promise<ClientProcess> {
    const [command, args] = network.asClient([
      process.execPath,
      program,
      client.kind,
      host,
      String(port),
      ...loadOf(client),
    ]);
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (!child.stdout) throw new Error('a client has no output');
    const started = new ClientProcess(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    const word = await started.#line();
    if (word !== 'started') throw new Error(`a client did not start: ${word}`);
    return started;
  }

  /** The longest gap counts from the report before. */
  async report(): Promise<ClientReport> {
    return await this.#ask('report');
  }

  /** Checks everything that was written, and ends. */
  async stop(): Promise<ClientReport> {
    return await this.#ask('stop');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #ask(question: string): Promise<ClientReport> {
    this.#child.stdin?.write(`${question}\n`);
    return JSON.parse(await this.#line()) as ClientReport;
  }

  async #line(): Promise<string> {
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => timeout.reject(new Error('a client does not answer')), answerMs);
    try {
      const line = await Promise.race([this.#lines.next(), timeout.promise]);
      if (line.done === true) throw new Error('a client ended');
      return line.value;
    } finally {
      clearTimeout(timer);
    }
  }
}

function loadOf(client: ClientKind): string[] {
  switch (client.kind) {
    case 'redis':
      return [String(client.megabytes), String(client.writtenMegabytesPerSecond ?? 0)];
    case 'postgres':
      return [];
    case 'echo':
    case 'forking':
    case 'visitors':
    case 'halves':
      return [String(client.connections)];
  }
}
