/**
 * Commands on one server. A command has an id: it runs at most once under that id, survives a dropped connection,
 * and asking again picks it up where it is instead of running it twice.
 */

export interface ShellCommand {
  /** Letters, digits, `.`, `_` and `-`; names this one execution (run, server, step, attempt). */
  readonly id: string;
  /** Run by `/bin/sh -c`. Written by the person in a playbook; our own values are quoted into it. */
  readonly script: string;
  /** Bound on the execution on the server, in milliseconds: past it the command is killed there. */
  readonly timeoutMs: number;
  /** Called with output as it arrives, stdout and stderr together. Bounded by the caller. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

export type ShellOutcome =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly tail: string }
  | { readonly kind: 'timedOut'; readonly tail: string }
  /** It was started, and the server was rebooted before it ended: nobody knows how far it came. */
  | { readonly kind: 'lost'; readonly tail: string };

/** What a command under an id has come to, asked without starting it. */
export type CommandStatus = 'unknown' | 'running' | 'ended' | 'lost';

/** What tells one boot from another. */
export interface BootFacts {
  /** `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
  /** `uname -r`. */
  readonly kernel: string;
  /** Newest kernel that is installed under `/boot`; empty where none is found. */
  readonly newestKernel: string;
  /** Names of systemd units in state `failed`. */
  readonly failedUnits: readonly string[];
}

export interface Shell {
  /** Cheap probe, no job is left behind. */
  readFacts(signal: AbortSignal): Promise<BootFacts>;
  /** Starts the command or picks it up, and waits for its end. */
  run(command: ShellCommand, signal: AbortSignal): Promise<ShellOutcome>;
  statusOf(id: string, signal: AbortSignal): Promise<CommandStatus>;
  /**
   * Asks the operating system to reboot, at most once under this id. Returns when the server has taken the request;
   * the connection will drop soon after.
   */
  requestReboot(id: string, signal: AbortSignal): Promise<void>;
  /** Writes a file (mode 0600, parent folders made), used by the `copy` action. */
  writeFile(path: string, content: string, signal: AbortSignal): Promise<void>;
  /** Removes what earlier commands of this run left on the server. */
  forget(idPrefix: string, signal: AbortSignal): Promise<void>;
}
