/**
 * Runs one `git` on the mirror, bounded in time, in what it prints and in what it writes, in a process group of its own,
 * so that its ssh and helpers end with it. It decides nothing.
 */
import { execa } from 'execa';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { failureOf } from './failure.ts';

export interface GitRun {
  /** For errors: what is being done, in a word. */
  readonly what: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly input?: string | undefined;
  /** Taken out of every error. */
  readonly secrets?: readonly string[] | undefined;
  /** Exit codes that are an answer and no failure; 0 always is. */
  readonly answers?: readonly number[] | undefined;
}

export interface GitAnswer {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const outputBytesMax = 96 * 1024 * 1024;
/** No single file that git writes, and with it no pack that it fetches, is larger. */
const fileBytesMax = 1024 * 1024 * 1024;
const killAfterMs = 5_000;
/** Of util-linux; it sets the bound and becomes git. */
const limiter = 'prlimit';

/** @throws `git/…`, `host/missing-program`; the signal's reason where it ended the work. */
export async function runGit(run: GitRun): Promise<GitAnswer> {
  run.signal.throwIfAborted();
  const timeout = AbortSignal.timeout(run.timeoutMs);
  const child = execa(limiter, [`--fsize=${fileBytesMax}`, 'git', ...run.words], {
    env: run.env,
    extendEnv: false,
    encoding: 'buffer',
    reject: false,
    detached: true,
    maxBuffer: outputBytesMax,
    stripFinalNewline: false,
    ...(run.input === undefined ? { stdin: 'ignore' as const } : { input: run.input }),
  });
  let killing: NodeJS.Timeout | undefined;
  // Politely, so that git removes its locks; then by force.
  const end = (): void => {
    signalGroup(child.pid, 'SIGTERM');
    killing = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), killAfterMs);
  };
  const until = AbortSignal.any([run.signal, timeout]);
  until.addEventListener('abort', end, { once: true });
  try {
    const { exitCode, signal, stdout, stderr, isMaxBuffer, code } = await child;
    run.signal.throwIfAborted();
    const said = Buffer.from(stderr).toString('utf8');
    const isMissing = code === 'ENOENT' || /^prlimit: failed to execute git/m.test(said);
    if (isMissing) throw missing();
    if (exitCode !== undefined && !timeout.aborted && !isMaxBuffer && [0, ...(run.answers ?? [])].includes(exitCode)) {
      return { exitCode, stdout: Buffer.from(stdout), stderr: said };
    }
    const outcome = { what: run.what, exitCode, signal, stderr: said, hasTimedOut: timeout.aborted };
    throw failureOf({ ...outcome, isTooLong: isMaxBuffer }, run.secrets ?? []);
  } finally {
    until.removeEventListener('abort', end);
    clearTimeout(killing);
  }
}

function missing(): MaintenanceError {
  const message = 'the program git (or prlimit) is missing; install it with: apt-get install git openssh-client';
  return new MaintenanceError('host/missing-program', 'halt', message, { details: { program: 'git' } });
}

function signalGroup(pid: number | undefined, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended by itself.
  }
}
