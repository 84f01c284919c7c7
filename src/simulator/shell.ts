/**
 * The Shell of a simulated server, in the simulator's time: the same once-only promises as the SSH adapter's, kept on a
 * record that belongs to the machine and not to this object, so that a daemon that starts again finds it.
 *
 * It runs no script; what one does is looked up in a table.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { BootFacts, CommandStatus, Shell, ShellCommand, ShellOutcome } from '../ports/shell.ts';
import type { Machine } from './machine.ts';
import { defaultScripts, type ScriptResult, type ScriptTable } from './scripts.ts';

interface SimulatedJob {
  /** `boots` of the machine: with the fault `keepsBootId` the boot id tells nothing. */
  readonly boots: number;
  readonly startedMs: number;
  readonly endsMs: number;
  /** How long it would take if nobody ended it. */
  readonly durationMs: number;
  readonly output: string;
  readonly outcome: { readonly kind: 'exited'; readonly exitCode: number } | { readonly kind: 'timedOut' };
  ended: boolean;
  /** When the system under it went away. */
  diedMs: number | undefined;
}

/** What survives a reboot of the machine and a crash of ours. */
export interface SimulatedDisk {
  readonly jobs: Map<string, SimulatedJob>;
  readonly files: Map<string, string>;
  /** How often something was really executed under an id, for the checkers; `forget` does not reset it. */
  readonly executions: Map<string, number>;
  rebootsAsked: number;
}

const disks = new WeakMap<Machine, SimulatedDisk>();

export function diskOf(machine: Machine): SimulatedDisk {
  const known = disks.get(machine);
  if (known) return known;
  const disk: SimulatedDisk = { jobs: new Map(), files: new Map(), executions: new Map(), rebootsAsked: 0 };
  disks.set(machine, disk);
  return disk;
}

export interface SimulatedShellOptions {
  /** Asked first; what it does not know, the default table answers. */
  readonly scripts?: ScriptTable | undefined;
  /** One round trip. */
  readonly callMs?: number | undefined;
  /** After which a silent server is given up. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long `run` waits for a server that is gone. */
  readonly reconnectMs?: number | undefined;
  /** How often `run` looks what a command has written, from its start to its end. */
  readonly looks?: number | undefined;
}

/** The answer to a reboot request gets out before the network goes. */
const rebootDelayMs = 1_000;
const tailMax = 8_192;
/** How soon a watcher notices that the machine went away. */
const noticeMs = 5_000;

export class SimulatedShell implements Shell {
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #scripts: ScriptTable;
  readonly #callMs: number;
  readonly #connectTimeoutMs: number;
  readonly #reconnectMs: number;
  readonly #looks: number;
  readonly #disk: SimulatedDisk;

  constructor(machine: Machine, clock: Clock, options: SimulatedShellOptions = {}) {
    this.#machine = machine;
    this.#clock = clock;
    this.#scripts = options.scripts ?? defaultScripts();
    this.#callMs = options.callMs ?? 50;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 15_000;
    this.#reconnectMs = options.reconnectMs ?? 60_000;
    this.#looks = options.looks ?? 20;
    this.#disk = diskOf(machine);
  }

  async readFacts(signal: AbortSignal): Promise<BootFacts> {
    await this.#call(signal);
    const { bootId, kernel, newestKernel, failedUnits } = this.#machine;
    return { bootId, kernel, newestKernel, failedUnits: failedUnits.toSorted() };
  }

  async run(command: ShellCommand, signal: AbortSignal): Promise<ShellOutcome> {
    let told = 0;
    let silentSinceMs: number | undefined;
    let claimed = false;
    for (;;) {
      try {
        await this.#call(signal);
        silentSinceMs = undefined;
      } catch (error) {
        if (signal.aborted || !(error instanceof MaintenanceError)) throw error;
        silentSinceMs ??= this.#clock.nowMs();
        if (this.#clock.nowMs() - silentSinceMs >= this.#reconnectMs) throw error;
        await this.#clock.sleep(1_000, signal);
        continue;
      }
      let job = this.#disk.jobs.get(command.id);
      // Forgotten while we watched: lost, not new.
      if (!job && claimed) return { kind: 'lost', tail: '' };
      job ??= this.#start(command);
      claimed = true;
      const written = this.#written(job);
      if (written.length > told) command.onOutput?.(written.slice(told));
      told = Math.max(told, written.length);
      const tail = written.slice(-tailMax);
      if (job.ended) return { ...job.outcome, tail };
      if (!this.#isAlive(job)) return { kind: 'lost', tail };
      const lookAgainMs = Math.min(noticeMs, Math.max(500, (job.endsMs - job.startedMs) / this.#looks));
      await this.#clock.sleep(Math.max(1, Math.min(lookAgainMs, job.endsMs - this.#clock.nowMs())), signal);
    }
  }

  async statusOf(id: string, signal: AbortSignal): Promise<CommandStatus> {
    await this.#call(signal);
    const job = this.#disk.jobs.get(id);
    if (!job) return 'unknown';
    if (job.ended) return 'ended';
    return this.#isAlive(job) ? 'running' : 'lost';
  }

  async requestReboot(id: string, signal: AbortSignal): Promise<void> {
    await this.#call(signal);
    if (this.#disk.jobs.has(id)) return;
    const reboot = (): void => {
      this.#disk.rebootsAsked += 1;
      this.#machine.requestReboot();
    };
    this.#begin(id, { exitCode: 0, output: '', durationMs: rebootDelayMs, effect: reboot }, 300_000);
  }

  async writeFile(path: string, content: string, signal: AbortSignal): Promise<void> {
    await this.#call(signal);
    this.#disk.files.set(path, content);
  }

  async forget(idPrefix: string, signal: AbortSignal): Promise<void> {
    await this.#call(signal);
    for (const [id, job] of this.#disk.jobs) {
      const isRunning = !job.ended && this.#isAlive(job);
      if (id.startsWith(idPrefix) && !isRunning) this.#disk.jobs.delete(id);
    }
  }

  #start(command: ShellCommand): SimulatedJob {
    const result = this.#scripts(command.script, this.#machine) ?? defaultScripts()(command.script, this.#machine);
    return this.#begin(command.id, result ?? { exitCode: 0, output: '', durationMs: 0 }, command.timeoutMs);
  }

  /** A process on the machine, which goes on whoever watches. */
  #begin(id: string, result: ScriptResult, timeoutMs: number): SimulatedJob {
    const startedMs = this.#clock.nowMs();
    const isTooSlow = result.durationMs > timeoutMs;
    const endsAfterMs = Math.min(result.durationMs, timeoutMs);
    const job: SimulatedJob = {
      boots: this.#machine.boots,
      startedMs,
      endsMs: startedMs + endsAfterMs,
      durationMs: result.durationMs,
      output: result.output,
      outcome: isTooSlow ? { kind: 'timedOut' } : { kind: 'exited', exitCode: result.exitCode },
      ended: false,
      diedMs: undefined,
    };
    this.#disk.jobs.set(id, job);
    this.#disk.executions.set(id, (this.#disk.executions.get(id) ?? 0) + 1);
    const stopWatching = this.#machine.onChange(() => {
      if (!this.#isAlive(job)) job.diedMs ??= this.#clock.nowMs();
    });
    void this.#clock.sleep(endsAfterMs).then(() => {
      stopWatching();
      if (!this.#isAlive(job)) return;
      job.ended = true;
      if (!isTooSlow) result.effect?.();
    });
    return job;
  }

  /** A process ends with the system that it runs on, and the way back to `up` always counts a boot. */
  #isAlive(job: SimulatedJob): boolean {
    return job.boots === this.#machine.boots && this.#machine.system === 'up';
  }

  /** Whole lines, spread evenly over the time that the script takes: the first at once, the last at its end. */
  #written(job: SimulatedJob): string {
    if (job.ended && job.outcome.kind === 'exited') return job.output;
    const untilMs = Math.min(job.diedMs ?? this.#clock.nowMs(), job.endsMs);
    const share = (untilMs - job.startedMs) / Math.max(1, job.durationMs);
    const lines = job.output.split(/(?<=\n)/);
    return lines.slice(0, 1 + Math.floor((lines.length - 1) * share)).join('');
  }

  /** One round trip, or the error that a real connection would end in. */
  async #call(signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(this.#callMs, signal);
    const { name, system, faults } = this.#machine;
    if (system === 'hung' || (system === 'up' && faults.sshHangs)) {
      await this.#clock.sleep(this.#connectTimeoutMs, signal);
      throw new MaintenanceError('ssh/timeout', 'retry', `${name} answers too slowly over SSH`, {
        details: { server: name },
      });
    }
    if (system !== 'up') {
      throw new MaintenanceError('ssh/unreachable', 'retry', `${name} cannot be reached over SSH`, {
        details: { server: name },
      });
    }
  }
}
