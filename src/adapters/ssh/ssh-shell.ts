/**
 * The Shell of a real server: the job runner's text goes over one kept connection, its answers come back.
 *
 * It decides how long a dropped connection is waited for, and nothing else: whether a command is worth a second attempt
 * is the engine's question, under a new id.
 */
import { InvariantError, MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { BootFacts, CommandStatus, Shell, ShellCommand, ShellOutcome } from '../../ports/shell.ts';
import type { InventoryServer } from '../../spec/inventory.ts';
import type { SecretRef } from '../../spec/values.ts';
import { AfterMark, Output, Said } from './answers.ts';
import { SshConnection } from './connection.ts';
import { refused, timedOut } from './errors.ts';
import {
  factsText,
  followText,
  forgetText,
  rebootScript,
  statusText,
  tailBytesMax,
  writeFileText,
  type Follow,
  type RunnerSettings,
} from './job-runner.ts';
import { newestKernelOf } from './kernel-versions.ts';

export interface SshShellOptions {
  readonly server: Pick<InventoryServer, 'name' | 'address' | 'ssh'>;
  /** Read for every connection, where the inventory says `hostKey: known_hosts`. */
  readonly knownHostsFile: string;
  /** On the server. */
  readonly jobsFolder?: string | undefined;
  readonly bootIdFile?: string | undefined;
  /** Any user but root goes through `sudo -n`, unless told otherwise. */
  readonly elevate?: 'sudo' | 'none' | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly keepAliveMs?: number | undefined;
  /** How long `run` tries to get back to a server that is gone, before it leaves that to its caller. */
  readonly reconnectMs?: number | undefined;
  /** How long one look at a running command lasts. */
  readonly watchSeconds?: number | undefined;
}

export interface SshShellNeeds {
  readonly readSecret: (ref: SecretRef) => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
}

interface Answer {
  /** What the runner said last, without the nonce. */
  readonly words: readonly string[];
  readonly claimed: boolean;
}

const askTimeoutMs = 30_000;
/** On top of a command's own bound, which the server keeps: for starting it and for a reconnection. */
const graceMs = 90_000;
const reconnectPauseMs = 1_000;
const rebootAnswerSeconds = 4;

export class SshShell implements Shell {
  readonly #options: SshShellOptions;
  readonly #needs: SshShellNeeds;
  readonly #connection: SshConnection;
  readonly #command: string;
  readonly #peer: { server: string; address: string; port: number; user: string };

  constructor(options: SshShellOptions, needs: SshShellNeeds) {
    const { name, address, ssh } = options.server;
    this.#options = options;
    this.#needs = needs;
    this.#peer = { server: name, address, port: ssh.port, user: ssh.user };
    const elevate = options.elevate ?? (ssh.user === 'root' ? 'none' : 'sudo');
    this.#command = elevate === 'sudo' ? 'exec sudo -n /bin/sh -s' : 'exec /bin/sh -s';
    this.#connection = new SshConnection(
      {
        ...this.#peer,
        privateKey: ssh.privateKey,
        hostKey: ssh.hostKey,
        knownHostsFile: options.knownHostsFile,
        connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
        keepAliveMs: options.keepAliveMs ?? 4_000,
      },
      needs.readSecret,
    );
  }

  async readFacts(signal: AbortSignal): Promise<BootFacts> {
    const chunks: Buffer[] = [];
    const answer = await this.#ask(factsText, signal, (chunk) => chunks.push(chunk));
    this.#expectDone(answer, 'retry');
    const facts = new Map<string, string[]>();
    for (const line of Buffer.concat(chunks).toString('utf8').split('\n')) {
      const at = line.indexOf(' ');
      if (at < 0) continue;
      const key = line.slice(0, at);
      facts.set(key, [...(facts.get(key) ?? []), line.slice(at + 1).trim()]);
    }
    const bootId = facts.get('bootId')?.[0] ?? '';
    const kernel = facts.get('kernel')?.[0] ?? '';
    if (bootId === '' || kernel === '') throw refused(this.#peer, 'it tells neither boot id nor kernel', 'retry');
    return {
      bootId,
      kernel,
      newestKernel: newestKernelOf(facts.get('file') ?? []),
      failedUnits: (facts.get('failed') ?? []).toSorted(),
    };
  }

  async run(command: ShellCommand, signal: AbortSignal): Promise<ShellOutcome> {
    const output = new Output(tailBytesMax, command.onOutput);
    const { clock } = this.#needs;
    const deadlineMs = clock.nowMs() + command.timeoutMs + graceMs + (this.#options.reconnectMs ?? 60_000);
    let claimed = false;
    let silentSinceMs: number | undefined;
    for (;;) {
      // Once the claim is known, nothing is started any more: a job whose folder is gone since then is lost, not new.
      const start = claimed ? undefined : { script: command.script, timeoutSeconds: secondsOf(command.timeoutMs) };
      try {
        const answer = await this.#follow({ id: command.id, offset: output.bytes, start }, signal, (chunk) => {
          silentSinceMs = undefined;
          output.add(chunk);
        });
        silentSinceMs = undefined;
        claimed ||= answer.claimed;
        const outcome = this.#outcomeOf(answer, claimed, output);
        if (outcome) return outcome;
      } catch (error) {
        if (signal.aborted || !isConnectionTrouble(error)) throw error;
        silentSinceMs ??= clock.nowMs();
        if (clock.nowMs() - silentSinceMs >= (this.#options.reconnectMs ?? 60_000)) throw error;
        await clock.sleep(reconnectPauseMs, signal);
      }
      if (clock.nowMs() >= deadlineMs) throw timedOut(this.#peer, 'a command runs past its bound');
    }
  }

  async statusOf(id: string, signal: AbortSignal): Promise<CommandStatus> {
    const answer = await this.#ask((settings) => statusText(settings, id), signal);
    const word = answer.words[0];
    if (word === 'unknown' || word === 'running' || word === 'ended' || word === 'lost') return word;
    throw this.#notUnderstood(answer);
  }

  async requestReboot(id: string, signal: AbortSignal): Promise<void> {
    const output = new Output(tailBytesMax);
    const start = { script: rebootScript, timeoutSeconds: 300 };
    let claimed = false;
    try {
      const answer = await this.#follow(
        { id, offset: 0, start, watchSeconds: rebootAnswerSeconds },
        signal,
        (chunk) => output.add(chunk),
        () => {
          claimed = true;
        },
      );
      const [word, code, when] = answer.words;
      if ((word === 'exited' || word === 'timedOut') && when === 'thisBoot' && code !== '0') {
        const message = `${this.#peer.server} refuses to reboot: ${output.finish().trim()}`;
        throw new MaintenanceError('service/failed', 'halt', message, { details: { server: this.#peer.server } });
      }
      if (word === 'unknown' || word === 'broken') throw this.#notUnderstood(answer);
    } catch (error) {
      // Claimed means taken; that the connection drops is then what was asked for.
      if (claimed && !signal.aborted && isConnectionTrouble(error)) return;
      throw error;
    }
  }

  async writeFile(path: string, content: string, signal: AbortSignal): Promise<void> {
    if (!path.startsWith('/') || path.endsWith('/')) throw new InvariantError(`${path} is no absolute file name`);
    this.#expectDone(await this.#ask((settings) => writeFileText(settings, path, content), signal), 'halt');
  }

  async forget(idPrefix: string, signal: AbortSignal): Promise<void> {
    this.#expectDone(await this.#ask((settings) => forgetText(settings, idPrefix), signal), 'halt');
  }

  /** Cuts the connection; the next call opens a new one. */
  close(): void {
    this.#connection.close();
  }

  #follow(
    follow: Omit<Follow, 'watchSeconds'> & { watchSeconds?: number },
    signal: AbortSignal,
    onOutput: (chunk: Buffer) => void,
    onClaimed?: () => void,
  ): Promise<Answer> {
    const watchSeconds = follow.watchSeconds ?? this.#options.watchSeconds ?? 15;
    const text = (settings: RunnerSettings): string => followText(settings, { ...follow, watchSeconds });
    // `sleep` rounds up on old systems, so the watching may take twice as long as it should.
    return this.#ask(text, signal, onOutput, onClaimed, askTimeoutMs + 2_000 * watchSeconds);
  }

  async #ask(
    text: (settings: RunnerSettings) => string,
    signal: AbortSignal,
    onOutput: (chunk: Buffer) => void = () => undefined,
    onClaimed: () => void = () => undefined,
    timeoutMs = askTimeoutMs,
  ): Promise<Answer> {
    const nonce = `pitcrew${this.#needs.random.id(20)}`;
    const settings = {
      nonce,
      jobsFolder: this.#options.jobsFolder ?? '/var/lib/pitcrew/jobs',
      bootIdFile: this.#options.bootIdFile ?? '/proc/sys/kernel/random/boot_id',
    };
    const stdout = new AfterMark(`${nonce}\n`, onOutput);
    const said = new Said(nonce, onClaimed);
    const exitCode = await this.#connection.execute({
      command: this.#command,
      stdin: text(settings),
      onStdout: (chunk) => stdout.add(chunk),
      onStderr: (chunk) => said.add(chunk),
      timeoutMs,
      signal,
    });
    const words = said.last();
    if (words.length === 0) {
      throw refused(this.#peer, said.others() || `/bin/sh ended with code ${exitCode} and said nothing`);
    }
    return { words, claimed: said.claimed };
  }

  #outcomeOf(answer: Answer, claimed: boolean, output: Output): ShellOutcome | undefined {
    const [word = '', code] = answer.words;
    switch (word) {
      case 'running':
        return undefined;
      case 'unknown':
        // Not started yet: the server was too slow to get the claim made. Asked again, it is started or picked up.
        return claimed ? { kind: 'lost', tail: output.finish() } : undefined;
      case 'lost':
        return { kind: 'lost', tail: output.finish() };
      case 'timedOut':
        return { kind: 'timedOut', tail: output.finish() };
      case 'exited':
        return { kind: 'exited', exitCode: Number(code), tail: output.finish() };
      default:
        throw this.#notUnderstood(answer);
    }
  }

  #expectDone(answer: Answer, disposition: 'retry' | 'halt'): void {
    if (answer.words[0] !== 'done') throw this.#notUnderstood(answer, disposition);
  }

  #notUnderstood(answer: Answer, disposition: 'retry' | 'halt' = 'halt'): MaintenanceError {
    const [word, ...rest] = answer.words;
    return refused(
      this.#peer,
      word === 'broken' ? rest.join(' ') : `it answers ${answer.words.join(' ')}`,
      disposition,
    );
  }
}

function isConnectionTrouble(error: unknown): boolean {
  return (
    error instanceof MaintenanceError &&
    error.disposition === 'retry' &&
    (error.code === 'ssh/disconnected' || error.code === 'ssh/unreachable' || error.code === 'ssh/timeout')
  );
}

/** The server counts in whole seconds; a bound is never rounded down to none. */
function secondsOf(durationMs: number): number {
  return Math.max(1, Math.ceil(durationMs / 1_000));
}
