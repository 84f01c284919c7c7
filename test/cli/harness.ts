/** Runs the command line: inside this process for its words, as a real child process for what a process does. */
import { spawn, type ChildProcess } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ReadStream, WriteStream } from 'node:tty';
import { onTestFinished } from 'vitest';
import type { CliIo, DaemonOptions, DemoOptions, Loaders } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/program.ts';
import { serveFake, token, type Served } from '../api/fixture.ts';
import { nowMs } from '../api/views.ts';

const root = join(import.meta.dirname, '../..');
export const nodePath = join(root, 'node_modules/.bin/node');
export const entryPath = join(root, 'src/main.ts');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A served fake with its token where the command line looks for it: beside the socket. */
export async function serveCli(): Promise<Served> {
  const served = await serveFake();
  await writeFile(join(dirname(served.api.address), 'token'), `${token}\n`, { mode: 0o600 });
  return served;
}

interface Given {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

export interface Handed {
  daemon?: DaemonOptions;
  demo?: DemoOptions;
}

export async function runHere(argv: string[], given: Given = {}, handed: Handed = {}): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = [stdout, stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString('utf8');
  });
  const loaders: Loaders = {
    runDaemon: async () => async (options) => {
      handed.daemon = options;
    },
    runDemo: async () => async (options, io) => {
      handed.demo = options;
      return io.pitcrew(['completion', 'fish']);
    },
  };
  const io: CliIo = {
    stdin: new PassThrough() as unknown as ReadStream,
    stdout: stdout as unknown as WriteStream,
    stderr: stderr as unknown as WriteStream,
    env: given.env ?? {},
    cwd: given.cwd ?? root,
    nowMs: () => nowMs,
    timeZone: 'Europe/Berlin',
    version: '1.2.3',
    by: 'anna@ops1',
    signal: new AbortController().signal,
  };
  const code = await runCli(argv, io, loaders);
  return { code, stdout: texts[0]?.() ?? '', stderr: texts[1]?.() ?? '' };
}

export interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once stdout and stderr together hold this text. */
  until(text: string): Promise<void>;
  /** Resolves once the last `text` comes after the last `before`. */
  untilLast(text: string, before: string): Promise<void>;
}

/** Started with pipes, unless `command` puts a terminal around it. Ended at the latest with the test. */
export function startChild(command: string, args: readonly string[], env: Record<string, string>): Child {
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TZ: 'Europe/Berlin', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => void (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')));
  let [stdout, stderr] = ['', ''];
  const waiters = new Set<() => void>();
  const heard = (): void => {
    for (const waiter of waiters) waiter();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    heard();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const untilHolds = (holds: (said: string) => boolean, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds(stdout + stderr)) return;
        waiters.delete(look);
        resolve();
      };
      waiters.add(look);
      look();
      void ended.then(() => reject(new Error(`ended without "${what}":\n${stdout}\n${stderr}`)));
    });
  const until = (text: string): Promise<void> => untilHolds((said) => said.includes(text), text);
  const untilLast = (text: string, before: string): Promise<void> =>
    untilHolds((said) => said.lastIndexOf(text) > said.lastIndexOf(before), text);
  return { process: child, ended, until, untilLast };
}

export function pitcrew(argv: readonly string[], env: Record<string, string> = {}): Child {
  return startChild(nodePath, [entryPath, ...argv], env);
}

/** The same on a terminal of 90 columns and 30 rows. */
export function pitcrewOnTerminal(argv: readonly string[], env: Record<string, string> = {}): Child {
  const words = [nodePath, entryPath, ...argv].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const line = `stty rows 30 cols 90; exec ${words.join(' ')}`;
  return startChild('script', ['-qfec', line, '/dev/null'], { TERM: 'xterm-256color', ...env });
}
