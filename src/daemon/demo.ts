/**
 * `pitcrew demo`: a small data centre on this machine, a real daemon beside it, and a rolling kernel update through both.
 *
 * Everything between daemon and servers goes over the real protocols. It ends every process that it has started.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SystemClock, SystemRandom } from '../adapters/system/system-clock.ts';
import { ApiClient } from '../api/client.ts';
import { parseAddress } from '../api/transport.ts';
import { ExitCode } from '../errors/codes.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { startLab, type Lab } from '../lab/lab.ts';
import type { RunView } from '../workflow/run-view.ts';
import { demoServers, demoWorkloads } from './demo-world.ts';

export interface DemoOptions {
  readonly keep: boolean;
  readonly speed: number;
  readonly folder?: string;
}

export interface DemoIo {
  readonly stdout: { write(text: string): unknown };
  readonly signal: AbortSignal;
  readonly by: string;
  readonly pitcrew: (argv: readonly string[]) => Promise<ExitCode>;
}

const planName = 'demo-kernel';
const projectRoot = path.join(import.meta.dirname, '..', '..');
const startDaemonMs = 30_000;
const stopDaemonMs = 15_000;

export async function runDemo(options: DemoOptions, io: DemoIo): Promise<ExitCode> {
  const say = (text: string): void => void io.stdout.write(`${text}\n`);
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'pitcrew-demo-')));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  say('Pitcrew demo: six servers in two racks, on this machine only.');
  say('Kubernetes API over HTTPS, one IPMI BMC and one SSH server each, BullMQ on its own Redis.\n');
  let lab: Lab | undefined;
  let daemon: ChildProcess | undefined;
  try {
    lab = await startLab({
      folder: path.join(folder, 'lab'),
      servers: demoServers(options.speed),
      workloads: demoWorkloads(),
      clock: new SystemClock(),
      random: new SystemRandom(),
      linePauseMs: 30 / options.speed,
    });
    io.signal.throwIfAborted();
    const documents = await writeDocuments(folder);
    const data = path.join(folder, 'data');
    daemon = startDaemon({ folder, data, documents, lab });
    await waitForDaemon(data, daemon, io.signal);
    return await patch({ io, say, data, folder, options });
  } finally {
    if (daemon) await stopDaemon(daemon);
    await lab?.stop();
    // What was asked for by name stays, and so does a kept demo.
    if (options.folder === undefined && !options.keep)
      await rm(path.join(folder, 'lab'), { recursive: true, force: true });
  }
}

interface Patch {
  readonly io: DemoIo;
  readonly say: (text: string) => void;
  readonly data: string;
  readonly folder: string;
  readonly options: DemoOptions;
}

async function patch({ io, say, data, folder, options }: Patch): Promise<ExitCode> {
  const pitcrew = (...argv: string[]): Promise<ExitCode> => io.pitcrew(['--data', data, ...argv]);
  say(`$ pitcrew plan ${planName}`);
  await pitcrew('plan', planName);
  say(`\n$ pitcrew start ${planName} --watch`);
  const exitCode = await pitcrew('start', planName, '--watch');
  if (io.signal.aborted) return ExitCode.interrupted;
  await tellTheEnd({ io, say, data, folder });
  if (!options.keep) return exitCode;
  say('\nEverything is still running; Ctrl-C ends it. In another terminal:');
  say(`  npm run pitcrew -- --data ${data} status`);
  await new Promise<void>((resolve) => {
    if (io.signal.aborted) resolve();
    io.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return exitCode;
}

async function tellTheEnd({ io, say, data, folder }: Omit<Patch, 'options'>): Promise<void> {
  const token = (await readFile(path.join(data, 'token'), 'utf8')).trim();
  const address = parseAddress(path.join(data, 'daemon.sock'));
  const client = new ApiClient({ address, token, by: io.by, signal: io.signal });
  const run = (await client.runs()).at(-1);
  if (!run) return;
  say(`\n${summary(run)}`);
  say(`\nThe journal of this run, one line per intent and result:`);
  say(`  npm run pitcrew -- demo --keep     then, in another terminal: pitcrew --data … history ${run.runId}`);
  say(
    `  (this one lies in ${path.join(folder, 'data', 'redis')}, the daemon's log in ${path.join(folder, 'daemon.log')})`,
  );
  say('Try next: `npm run pitcrew -- validate`, `npm run pitcrew -- demo --keep`, and README.md for your own servers.');
}

function summary(run: RunView): string {
  const tookMs = (run.endedMs ?? run.createdMs) - run.createdMs;
  const rebootMs = run.servers.map((server) => server.phaseMs.rebooting ?? 0);
  const hardest = run.servers.find((server) => (server.phaseMs.rebooting ?? 0) === Math.max(...rebootMs));
  const lines = [
    `What happened: ${run.counts.done} of ${run.counts.total} servers run a new kernel after ${Math.round(tookMs / 1_000)} s, ${run.podsMoved} pods were moved first.`,
  ];
  if (hardest && hardest.tried.length > 1) {
    const tried = hardest.tried.map((entry) => entry.text).join(' · ');
    lines.push(`${hardest.name} did not come back by itself: ${tried} · then a new boot id.`);
  }
  lines.push('Every reboot was proved by a new boot id and the expected kernel, in SSH and in Kubernetes.');
  return lines.join('\n');
}

/** The project's own playbook, with less patience: a simulated server boots in seconds, not in minutes. */
async function writeDocuments(folder: string): Promise<string> {
  const documents = path.join(folder, 'documents');
  await mkdir(documents, { recursive: true });
  const playbook = await readFile(path.join(projectRoot, 'playbooks', 'kernel-update.yaml'), 'utf8');
  await writeFile(path.join(documents, 'kernel-update.yaml'), playbook.replace('timeout: 20m', 'timeout: 7s'));
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
  const main = path.join(import.meta.dirname, '..', `main${path.extname(import.meta.filename)}`);
  const args = [main, 'daemon', '--data', data, '--documents', documents, lab.inventoryFolder];
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
