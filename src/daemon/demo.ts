/**
 * `pitcrew demo`: a small data centre on this machine, a real daemon beside it, and a rolling kernel update through both.
 *
 * Everything between daemon and servers goes over the real protocols. It ends every process that it has started, and
 * leaves files only in a folder that was named, or where something went wrong.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SystemClock, SystemRandom } from '../adapters/system/system-clock.ts';
import { ApiClient } from '../api/client.ts';
import { parseAddress } from '../api/transport.ts';
import { ExitCode } from '../errors/codes.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { startLab, type Lab } from '../lab/lab.ts';
import type { RunView } from '../workflow/run-view.ts';
import {
  greeting,
  hardestServer,
  howToReach,
  keptCommands,
  ownCommands,
  whatHappened,
  whatNext,
  type Access,
} from './demo-story.ts';
import { breakServer, demoRebootTimeoutMs, demoServers, demoWorkloads } from './demo-world.ts';

export interface DemoOptions {
  readonly keep: boolean;
  /** False: everything is started but a run, and stays. */
  readonly run: boolean;
  readonly speed: number;
  readonly folder?: string;
  /** A server that does not come back from its reboot. */
  readonly broken?: string;
}

export interface DemoIo {
  readonly stdout: { write(text: string): unknown };
  readonly signal: AbortSignal;
  readonly by: string;
  readonly pitcrew: (argv: readonly string[]) => Promise<ExitCode>;
}

type Say = (text: string) => void;

const planName = 'demo-kernel';
const projectRoot = path.join(import.meta.dirname, '..', '..');
const entry = path.join(import.meta.dirname, '..', `main${path.extname(import.meta.filename)}`);
const startDaemonMs = 30_000;
const stopDaemonMs = 15_000;

export async function runDemo(options: DemoOptions, io: DemoIo): Promise<ExitCode> {
  const say: Say = (text) => void io.stdout.write(`${text}\n`);
  const folder = await makeFolder(options.folder);
  say(greeting);
  let exitCode: ExitCode = ExitCode.runFailed;
  try {
    exitCode = await playThrough({ options, io, say, folder });
  } finally {
    // A server that was broken on purpose is no failure of the demo.
    const hasFailed = exitCode === ExitCode.runFailed && !io.signal.aborted && options.broken === undefined;
    await tidyUp({ options, io, say, folder, hasFailed });
  }
  if (exitCode === ExitCode.done && options.run && !options.keep) say(`\n${whatNext}`.trimEnd());
  return exitCode;
}

/** Files are never mixed with what is there already: a second daemon, a run of last week. */
async function makeFolder(given: string | undefined): Promise<string> {
  if (given === undefined) return mkdtemp(path.join(tmpdir(), 'pitcrew-demo-'));
  const folder = path.resolve(given);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length === 0) return folder;
  throw new MaintenanceError('run/refused', 'halt', `${folder} is not empty; the demo wants a folder of its own`);
}

interface Play {
  readonly options: DemoOptions;
  readonly io: DemoIo;
  readonly say: Say;
  readonly folder: string;
}

async function playThrough({ options, io, say, folder }: Play): Promise<ExitCode> {
  let lab: Lab | undefined;
  let daemon: ChildProcess | undefined;
  try {
    lab = await startLab({
      folder: path.join(folder, 'lab'),
      servers: demoServers(options.speed),
      workloads: demoWorkloads(),
      clock: new SystemClock(),
      random: new SystemRandom(),
      linePauseMs: 15 / options.speed,
    });
    if (options.broken !== undefined) breakServer(lab.world, options.broken);
    io.signal.throwIfAborted();
    const documents = await writeDocuments(folder, demoRebootTimeoutMs(options.speed));
    const data = path.join(folder, 'data');
    daemon = startDaemon({ folder, data, documents, lab });
    await waitForDaemon(data, daemon, io.signal);
    return options.run ? await patch({ options, io, say, data }) : await leaveToPerson(data, io, say);
  } finally {
    if (daemon) await stopDaemon(daemon);
    await lab?.stop();
  }
}

/** What was asked for by name stays; so does the log of a demo that failed, because somebody will want to read it. */
async function tidyUp({ options, say, folder, hasFailed }: Play & { readonly hasFailed: boolean }): Promise<void> {
  if (options.folder !== undefined) {
    say(`Everything has ended. Files are left in ${folder}: the daemon's log, and the journal in Redis' own form.`);
  } else if (hasFailed) {
    say(
      `Everything has ended. The daemon's log is ${path.join(folder, 'daemon.log')}; remove it with: rm -r ${folder}`,
    );
  } else {
    await rm(folder, { recursive: true, force: true });
    say('Everything has ended, and all files of the demo are removed.');
  }
}

interface Patch {
  readonly options: DemoOptions;
  readonly io: DemoIo;
  readonly say: Say;
  readonly data: string;
}

async function patch({ options, io, say, data }: Patch): Promise<ExitCode> {
  const pitcrew = (...argv: string[]): Promise<ExitCode> => io.pitcrew(['--data', data, ...argv]);
  say(`$ pitcrew plan ${planName}`);
  await pitcrew('plan', planName);
  say(`\n$ pitcrew start ${planName} --watch`);
  const exitCode = await pitcrew('start', planName, '--watch');
  if (io.signal.aborted) return ExitCode.interrupted;
  const run = await newestRun(data, io);
  if (run?.endedMs !== undefined) {
    const { name = '' } = hardestServer(run) ?? {};
    say(`\nThe journal of ${name}, one line per intent and result:\n\n$ pitcrew history ${run.runId} ${name}`);
    await pitcrew('history', run.runId, name);
    say(`\n${whatHappened(run)}`);
  }
  if (!options.keep) {
    if (exitCode === ExitCode.interrupted) say('The demo ends here, and with it its servers and the run.');
    return exitCode;
  }
  say(howToReach(access(data)) + (run ? keptCommands(run) : ''));
  say('Everything is still running. Ctrl-C here ends it.');
  await interrupted(io.signal);
  return exitCode;
}

async function leaveToPerson(data: string, io: DemoIo, say: Say): Promise<ExitCode> {
  say(howToReach(access(data)) + ownCommands(planName));
  say('Everything is running, and nothing is started yet. Ctrl-C here ends it.');
  await interrupted(io.signal);
  return ExitCode.done;
}

function access(data: string): Access {
  return { root: projectRoot, entry: path.relative(projectRoot, entry), socket: path.join(data, 'daemon.sock') };
}

async function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function newestRun(data: string, io: DemoIo): Promise<RunView | undefined> {
  const token = (await readFile(path.join(data, 'token'), 'utf8')).trim();
  const address = parseAddress(path.join(data, 'daemon.sock'));
  return (await new ApiClient({ address, token, by: io.by, signal: io.signal }).runs()).at(-1);
}

/** The project's own playbook, with less patience: a simulated server boots in seconds, not in minutes. */
async function writeDocuments(folder: string, rebootTimeoutMs: number): Promise<string> {
  const documents = path.join(folder, 'documents');
  await mkdir(documents, { recursive: true });
  const playbook = await readFile(path.join(projectRoot, 'playbooks', 'kernel-update.yaml'), 'utf8');
  await writeFile(
    path.join(documents, 'kernel-update.yaml'),
    playbook.replace('timeout: 20m', `timeout: ${Math.ceil(rebootTimeoutMs / 1_000)}s`),
  );
  const plan = await readFile(path.join(projectRoot, 'deploy', 'demo', 'plan.yaml'), 'utf8');
  await writeFile(path.join(documents, 'plan.yaml'), plan);
  return documents;
}

interface DaemonStart {
  readonly folder: string;
  readonly data: string;
  readonly documents: string;
  readonly lab: Lab;
}

function startDaemon({ folder, data, documents, lab }: DaemonStart): ChildProcess {
  const args = [entry, 'daemon', '--data', data, '--documents', documents, lab.inventoryFolder];
  args.push('--kubeconfig', lab.kubeconfigFile, '--known-hosts', lab.knownHostsFile);
  // In a session of its own: a Ctrl-C in the terminal is for us, and we stop the daemon in order. Should we be killed, the
  // kernel sends it the same signal.
  const command = ['--pdeathsig', 'TERM', '--', process.execPath, ...args];
  const child = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  child.stderr.pipe(createWriteStream(path.join(folder, 'daemon.log'), { mode: 0o600 }));
  return child;
}

async function waitForDaemon(data: string, daemon: ChildProcess, signal: AbortSignal): Promise<void> {
  const clock = new SystemClock();
  const deadlineMs = clock.nowMs() + startDaemonMs;
  while (!existsSync(path.join(data, 'daemon.sock'))) {
    if (daemon.exitCode !== null || clock.nowMs() > deadlineMs) {
      throw new MaintenanceError(
        'api/unreachable',
        'halt',
        `the daemon did not start; see ${path.join(data, '..', 'daemon.log')}`,
      );
    }
    await clock.sleep(50, signal);
  }
}

/** It takes its own Redis down; after the bound it is ended by force. */
async function stopDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => {
    daemon.once('exit', () => resolve());
  });
  daemon.kill('SIGTERM');
  const force = setTimeout(() => daemon.kill('SIGKILL'), stopDaemonMs);
  await gone;
  clearTimeout(force);
}
