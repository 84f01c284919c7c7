/**
 * What is measured: a lab of simulated servers in this process, and a daemon of our own beside it as a child process.
 *
 * Everything between them goes over the real protocols. Whatever is started here is ended here.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { waitUntilGone } from '../../src/adapters/system/processes.ts';
import { SystemClock, SystemRandom } from '../../src/adapters/system/system-clock.ts';
import { ApiClient } from '../../src/api/client.ts';
import { parseAddress } from '../../src/api/transport.ts';
import { startLab, type Lab } from '../../src/lab/lab.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

export const planName = 'bench';
/** A server's own time to go down and to come up again. */
export const shutdownMs = 300;

const projectRoot = path.join(import.meta.dirname, '..', '..');
const startDaemonMs = 60_000;
const stopDaemonMs = 20_000;
const clock = new SystemClock();

export interface Fleet {
  readonly size: number;
  readonly bootMs: number;
  readonly folder: string;
}

export async function startFleet({ size, bootMs, folder }: Fleet): Promise<Lab> {
  const servers = Array.from({ length: size }, (_, index): WorldServer => {
    const name = `server-${String(index + 1).padStart(3, '0')}`;
    return { name, labels: { bench: 'target' }, bootMs, shutdownMs };
  });
  // Where the pods go when all targets are down at once.
  const spare: WorldServer = { name: 'spare', cpu: '1000', memory: '4Ti', podsMax: 2 * size + 10 };
  return startLab({
    folder: path.join(folder, 'lab'),
    servers: [...servers, spare],
    workloads: workloads(size),
    clock,
    random: new SystemRandom(),
    linePauseMs: 0,
    // The cluster's own times are no part of the engine's: as short as they can be.
    times: { kubeletStartMs: 1, podStartMs: 50, podReadyMs: 50, podStopMs: 100, reactionMs: 5, disruptionMs: 20 },
  });
}

/** Two pods a server, one of which has to be moved. */
function workloads(size: number): WorldWorkload[] {
  const small = { cpu: '10m', memory: '16Mi', gracePeriodSeconds: 1 };
  return [
    { kind: 'deployment', name: 'web', namespace: 'shop', replicas: size, ...small, readyAfter: '50ms' },
    { kind: 'daemonSet', name: 'node-exporter', namespace: 'monitoring', ...small },
  ];
}

/**
 * Its own scripts do nothing, so what preparing and verifying take is the engine's: sessions, round trips, checks that
 * every playbook has.
 */
const playbook = `
apiVersion: pitcrew.dev/v1
kind: Playbook
metadata: { name: bench }
spec:
  needed:
    - ssh: { needed: exit 0, timeout: 1m, run: 'exit 0' }
  prepare:
    - ssh: { timeout: 1m, run: 'true' }
  service:
    - ssh: { timeout: 1m, run: 'true' }
    - reboot: { ladder: [ssh, bmc-soft, bmc-cycle], timeout: 5m, expect: { kernel: "\${newest}" } }
  verify:
    - kernel: { is: "\${newest}" }
    - units: { failed: 0 }
    - sel: { newCritical: 0 }
    - sensors: ok
    - ssh: { timeout: 1m, run: 'true' }
`;

function plan(atOnce: number): string {
  return `
apiVersion: pitcrew.dev/v1
kind: MaintenancePlan
metadata: { name: ${planName} }
spec:
  playbook: bench
  targets: { matchLabels: { bench: target } }
  rollout: { maxUnavailable: ${atOnce}, waves: [{ servers: 100% }] }
  evacuation: { prefer: [evict], timeout: 5m }
`;
}

export interface Daemon {
  readonly client: ApiClient;
  readonly pid: number;
  readonly redisPid: number;
  /** What it wrote last, for the person who has to find out why it failed. */
  logTail(): Promise<string>;
  stop(): Promise<void>;
}

export interface DaemonStart {
  readonly folder: string;
  readonly atOnce: number;
  readonly lab: Lab;
  readonly signal: AbortSignal;
  /** More arguments for Node, e.g. for a profile. */
  readonly nodeArguments?: readonly string[];
}

export async function startDaemon({ folder, atOnce, lab, signal, nodeArguments = [] }: DaemonStart): Promise<Daemon> {
  const documents = path.join(folder, 'documents');
  const data = path.join(folder, 'data');
  await mkdir(documents, { recursive: true });
  await writeFile(path.join(documents, 'playbook.yaml'), playbook);
  await writeFile(path.join(documents, 'plan.yaml'), plan(atOnce));
  const main = path.join(projectRoot, 'src', 'main.ts');
  const args = [...nodeArguments, main, 'daemon', '--data', data, '--documents', documents, lab.inventoryFolder];
  args.push('--kubeconfig', lab.kubeconfigFile, '--known-hosts', lab.knownHostsFile);
  // Should we be killed, the kernel tells it to stop; a Ctrl-C in the terminal is for us alone, and we stop it in order.
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const log = path.join(folder, 'daemon.log');
  child.stderr.pipe(createWriteStream(log, { mode: 0o600 }));
  try {
    await waitForSocket(path.join(data, 'daemon.sock'), child, log, signal);
    const token = (await readFile(path.join(data, 'token'), 'utf8')).trim();
    const address = parseAddress(path.join(data, 'daemon.sock'));
    const client = new ApiClient({ address, token, by: 'bench', signal });
    const redisPid = Number(await readFile(path.join(data, 'redis', 'redis.pid'), 'utf8'));
    const stop = async (): Promise<void> => {
      await stopDaemon(child);
      // A daemon that was ended by force leaves its Redis to the next one, and here there is none.
      if (await waitUntilGone(redisPid, 1_000)) return;
      process.kill(redisPid, 'SIGKILL');
    };
    const logTail = async (): Promise<string> => (await readFile(log, 'utf8')).slice(-2_000);
    return { client, pid: child.pid ?? 0, redisPid, logTail, stop };
  } catch (error) {
    await stopDaemon(child);
    throw error;
  }
}

async function waitForSocket(socket: string, child: ChildProcess, log: string, signal: AbortSignal): Promise<void> {
  const deadlineMs = clock.nowMs() + startDaemonMs;
  while (!existsSync(socket)) {
    if (child.exitCode !== null || clock.nowMs() > deadlineMs) {
      throw new Error(`the daemon did not start: ${(await readFile(log, 'utf8')).slice(-2_000)}`);
    }
    await clock.sleep(50, signal);
  }
}

/** It takes its own Redis down; after the bound it is ended by force. */
async function stopDaemon(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), stopDaemonMs);
  await gone;
  clearTimeout(force);
}
