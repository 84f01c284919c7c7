/** One `pitcrew daemon` as a process of its own, and command lines beside it. They are ended by their process id only. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../src/api/client.ts';
import { parseAddress } from '../../src/api/transport.ts';

const projectRoot = path.join(import.meta.dirname, '../..');
const nodePath = path.join(projectRoot, 'node_modules/.bin/node');
const entryPath = path.join(projectRoot, 'src/main.ts');
const readyMs = 60_000;
const stopMs = 30_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DaemonOptions {
  /** Everything works in here, so that whatever a daemon starts can be found. */
  readonly cwd: string;
  readonly data: string;
  readonly logFile: string;
  readonly arguments: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
}

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TZ: 'Europe/Berlin', ...more };
}

export class Daemon {
  readonly data: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;

  constructor(options: DaemonOptions) {
    this.data = options.data;
    this.logFile = options.logFile;
    const log = openSync(options.logFile, 'a', 0o600);
    const command = [nodePath, entryPath, 'daemon', '--data', options.data, ...options.arguments];
    // In a session of its own, as in production. Should the tests be killed, the kernel ends it in order.
    this.#child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...command], {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#gone = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', () => resolve());
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async log(): Promise<string> {
    return readFile(this.logFile, 'utf8');
  }

  async ready(): Promise<void> {
    const deadlineMs = performance.now() + readyMs;
    while (!(await this.log()).includes('"text":"daemon is ready"')) {
      if (!this.isRunning || performance.now() > deadlineMs) {
        throw new Error(`the daemon does not get ready:\n${(await this.log()).slice(-2_000)}`);
      }
      await sleep(50);
    }
  }

  async client(): Promise<ApiClient> {
    const token = (await readFile(path.join(this.data, 'token'), 'utf8')).trim();
    const address = parseAddress(path.join(this.data, 'daemon.sock'));
    return new ApiClient({ address, token, by: 'tester@slow', signal: new AbortController().signal });
  }

  /** `kill -9`: of this one process. What it had started lives on. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  /** In order. Says whether it ended in time by itself. */
  async stop(): Promise<boolean> {
    if (!this.isRunning) return true;
    this.#child.kill('SIGTERM');
    const patience = new AbortController();
    const isInTime = await Promise.race([
      this.#gone.then(() => true),
      sleep(stopMs, false, { signal: patience.signal }).catch(() => false),
    ]);
    patience.abort();
    if (!isInTime) await this.kill();
    return isInTime;
  }

  async ended(): Promise<number | null> {
    await this.#gone;
    return this.#child.exitCode;
  }
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Ended by force after so long. */
  readonly timeoutMs?: number | undefined;
}

/** One command line as a real process, without a terminal. */
export async function pitcrew(words: readonly string[], options: CommandOptions): Promise<Ended> {
  const child = spawn(nodePath, [entryPath, ...words], {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000);
  try {
    return await new Promise<Ended>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
  } finally {
    clearTimeout(timer);
  }
}
