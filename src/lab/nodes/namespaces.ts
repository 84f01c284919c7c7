/**
 * Processes in namespaces of their own: how they are started so that they cannot outlive the lab, how others get into them,
 * and how the first one of a process namespace is found from outside.
 *
 * It never signals a process that it did not start: a process id is believed only together with its start time.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

/** A process, named so that a later one with the same number is not taken for it. */
export interface ProcessId {
  readonly pid: number;
  /** In ticks since the machine started, as /proc tells it. */
  readonly startTicks: number;
}

export interface Resident {
  readonly first: ProcessId;
  /** Resolves when the first process, and with it the namespaces, has ended. */
  readonly ended: Promise<void>;
  end(): Promise<void>;
}

export interface ResidentOptions {
  /** Flags of unshare(1). */
  readonly namespaces: readonly string[];
  readonly command: readonly string[];
  /** Where it lives, seen from inside as roots of a namespace of control groups; empty: wherever this process lives. */
  readonly cgroups: readonly string[];
  readonly logFile: string;
}

const firstProcessMs = 10_000;
const endMs = 20_000;
const pollMs = 20;

const join = 'for group in $GROUPS_TO_JOIN; do echo $$ >"$group/cgroup.procs" || exit 1; done; exec "$@"';
const stepDown =
  'for group in $GROUPS_TO_JOIN; do [ ! -d "$group/init" ] || echo $$ >"$group/init/cgroup.procs" || exit 1; done; exec "$@"';
/**
 * What comes behind it sees the groups as roots. In version 2 a group that hands controllers to groups below it may hold no process
 * itself, and the one that waits outside of the new namespaces for the first one inside would be such: both step down into `init`.
 */
const inGroups = ['/bin/sh', '-c', join, 'sh', 'unshare', '--cgroup', '/bin/sh', '-c', stepDown, 'sh'];

/**
 * The first process of new namespaces. The kernel kills it when the lab dies, however it dies, and with the first process
 * of a process namespace all others in it.
 */
export async function startResident(options: ResidentOptions): Promise<Resident> {
  const log = openSync(options.logFile, 'a', 0o600);
  const unshare = ['unshare', ...options.namespaces, '--fork', '--kill-child', '--', ...options.command];
  const grouped = options.cgroups.length === 0 ? unshare : [...inGroups, ...unshare];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...grouped], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', GROUPS_TO_JOIN: options.cgroups.join(' ') },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const ended = once(child, 'exit').then(() => undefined);
  const first = await firstOf(child, options.logFile);
  const end = async (): Promise<void> => {
    await endProcess(first);
    await Promise.race([ended, sleep(endMs, undefined, { ref: false })]);
  };
  return { first, ended, end };
}

async function firstOf(child: ChildProcess, logFile: string): Promise<ProcessId> {
  const deadlineMs = performance.now() + firstProcessMs;
  while (performance.now() < deadlineMs && child.exitCode === null && child.signalCode === null) {
    const { pid = 0 } = child;
    const children = await readOrEmpty(`/proc/${pid}/task/${pid}/children`);
    const found = Number(children.trim().split(' ')[0]);
    // Setpriv, the shells and unshare are one process after another under the same number; none has a child but the last.
    const id = found > 0 ? await processId(found) : undefined;
    if (id) return id;
    await sleep(pollMs);
  }
  throw new Error(`the first process did not start: ${(await readOrEmpty(logFile)).slice(-500)}`);
}

export async function processId(pid: number): Promise<ProcessId | undefined> {
  const stat = await readOrEmpty(`/proc/${pid}/stat`);
  // The fields are counted from behind the name, which stands in brackets and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTicks = Number(fields[19]);
  return stat === '' || fields[0] === 'Z' || fields[0] === 'X' ? undefined : { pid, startTicks };
}

export async function isAlive({ pid, startTicks }: ProcessId): Promise<boolean> {
  return (await processId(pid))?.startTicks === startTicks;
}

export async function endProcess(id: ProcessId): Promise<void> {
  const deadlineMs = performance.now() + endMs;
  while (await isAlive(id)) {
    if (performance.now() > deadlineMs) throw new Error(`process ${id.pid} does not end`);
    try {
      process.kill(id.pid, 'SIGKILL');
    } catch {
      // It was quicker.
    }
    await sleep(pollMs);
  }
}

async function readOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return '';
  }
}

/** The program and arguments that run a command inside all namespaces of a process. */
export function inside({ pid }: ProcessId, command: readonly string[]): [string, string[]] {
  return ['nsenter', ['--target', String(pid), '--all', '--', ...command]];
}

export interface RunOptions {
  readonly timeoutMs?: number | undefined;
  readonly input?: string | undefined;
  /** Gives exit code and output instead of throwing where the command fails. */
  readonly mayFail?: boolean | undefined;
}

export interface RunResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const runMs = 60_000;

export async function runInside(
  id: ProcessId,
  command: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const [program, args] = inside(id, command);
  const { exitCode, stdout, stderr } = await execa(program, args, {
    timeout: options.timeoutMs ?? runMs,
    reject: options.mayFail !== true,
    extendEnv: false,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOME: '/root' },
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
  });
  return { exitCode, stdout, stderr };
}
