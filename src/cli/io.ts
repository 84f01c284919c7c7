/**
 * What the command line is given from outside: streams, environment, time, the interrupt, and the two commands that
 * are whole programs of their own. Nothing below `cli/` reaches for `process`.
 */
import type { ReadStream, WriteStream } from 'node:tty';
import type { GitOptions } from '../adapters/git/settings.ts';
import type { ExitCode } from '../errors/codes.ts';

export interface CliIo {
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  readonly stderr: WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly nowMs: () => number;
  /** IANA name of the person's time zone. */
  readonly timeZone: string;
  /** Of this program. */
  readonly version: string;
  /** `anna@ops1`: who asks. */
  readonly by: string;
  /** Aborted with `Interrupted` by the first Ctrl-C, by SIGTERM, or when nobody reads the output any more. */
  readonly signal: AbortSignal;
}

export interface DaemonOptions {
  readonly data: string;
  readonly documents: string[];
  readonly redis?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly listen?: string;
  readonly sites?: string[];
  readonly knownHosts?: string;
  /** Instead of `documents`. */
  readonly repository?: GitOptions & { readonly pollMs: number };
  readonly webhookSecretFile?: string;
}

export interface DemoOptions {
  readonly keep: boolean;
  readonly run: boolean;
  readonly speed: number;
  readonly folder?: string;
  readonly broken?: string;
}

export interface DemoIo extends CliIo {
  /** Runs one command line as if it were typed, e.g. `['start', 'weekly-kernel', '--watch', '--server', socket]`. */
  readonly pitcrew: (argv: readonly string[]) => Promise<ExitCode>;
}

/** Loaded only when asked for: everything else starts without them. */
export interface Loaders {
  readonly runDaemon: () => Promise<(options: DaemonOptions, signal: AbortSignal) => Promise<void>>;
  readonly runDemo: () => Promise<(options: DemoOptions, io: DemoIo) => Promise<ExitCode>>;
}

/** The person or the system asked this process to end; nothing went wrong. */
export class Interrupted extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'Interrupted';
  }
}

/** Wrong usage: the message says what, the hint what would be right. */
export class UsageError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}
