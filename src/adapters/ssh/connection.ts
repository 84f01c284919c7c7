/**
 * One kept SSH connection to one server: opened when first needed, watched, opened again after it was lost.
 *
 * It verifies the host key on every handshake, and decides nothing about trying again: a failure is classified and
 * thrown.
 */
import { readFile } from 'node:fs/promises';
import { NodeSSH } from 'node-ssh';
import type { ClientChannel } from 'ssh2';
import { abortable } from '../../errors/abortable.ts';
import { InvariantError, MaintenanceError } from '../../errors/maintenance-error.ts';
import type { SecretRef } from '../../spec/values.ts';
import * as problem from './errors.ts';
import {
  algorithmsExcept,
  fingerprintOf,
  judgeByFingerprint,
  judgeByKnownHosts,
  keyTypeOf,
  knownHostsOf,
  parseKnownHosts,
  preferredAlgorithms,
  type HostKeyAlgorithm,
  type HostKeyVerdict,
} from './host-keys.ts';

export interface ConnectionOptions extends problem.Peer {
  readonly privateKey: SecretRef;
  /** `known_hosts`, or one fingerprint. */
  readonly hostKey: string;
  readonly knownHostsFile: string;
  readonly connectTimeoutMs: number;
  /** A peer that is silent for three of these is taken for dead. */
  readonly keepAliveMs: number;
}

export interface Execution {
  readonly command: string;
  readonly stdin: string;
  readonly onStdout: (chunk: Buffer) => void;
  readonly onStderr: (chunk: Buffer) => void;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The files or entries against which one handshake is judged, read afresh for each. */
interface Trust {
  readonly judge: (key: Buffer) => HostKeyVerdict;
  readonly algorithms: HostKeyAlgorithm[];
  readonly source: string;
}

const keepAlivesMissedMax = 3;

export class SshConnection {
  readonly #options: ConnectionOptions;
  readonly #readSecret: (ref: SecretRef) => Promise<string>;
  #opening: Promise<NodeSSH> | undefined;
  #open: NodeSSH | undefined;

  constructor(options: ConnectionOptions, readSecret: (ref: SecretRef) => Promise<string>) {
    this.#options = options;
    this.#readSecret = readSecret;
  }

  /** Runs one command to its end and returns its exit code. Rejects where the connection ends first. */
  async execute(execution: Execution): Promise<number> {
    execution.signal.throwIfAborted();
    const ssh = await abortable(this.#connected(), execution.signal);
    const bound = AbortSignal.timeout(execution.timeoutMs);
    let channel: ClientChannel | undefined;
    const running = ssh.execCommand(execution.command, {
      stdin: execution.stdin,
      noTrim: true,
      onStdout: execution.onStdout,
      onStderr: execution.onStderr,
      onChannel: (opened) => {
        channel = opened;
        // Writing into a connection that just dropped is reported by the close that follows.
        opened.on('error', () => undefined);
      },
    });
    try {
      const { code, signal } = await abortable(running, AbortSignal.any([execution.signal, bound]));
      if (code !== null) return code;
      if (signal !== null) throw problem.refused(this.#options, `the command was ended by signal ${signal}`);
      this.#drop(ssh);
      throw problem.disconnected(this.#options);
    } catch (error) {
      channel?.destroy();
      if (execution.signal.aborted) throw execution.signal.reason;
      if (error instanceof MaintenanceError) throw error;
      // A connection that let an answer slip is not used again, whatever the reason was.
      this.#drop(ssh);
      if (bound.aborted) throw problem.timedOut(this.#options, 'a command did not answer in time', error);
      throw problem.disconnected(this.#options, error);
    }
  }

  /** Cuts the connection. The next command opens a new one. */
  close(): void {
    if (this.#open) this.#drop(this.#open);
  }

  #drop(ssh: NodeSSH): void {
    if (this.#open === ssh) this.#open = undefined;
    // `end` would wait for a peer that may be gone.
    ssh.connection?.destroy();
    ssh.dispose();
  }

  /** Callers that come while it is being opened share the attempt, which has a bound of its own. */
  async #connected(): Promise<NodeSSH> {
    if (this.#open?.isConnected()) return this.#open;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    this.#open = await this.#opening;
    return this.#open;
  }

  async #connect(): Promise<NodeSSH> {
    const privateKey = await this.#readSecret(this.#options.privateKey);
    const trust = await this.#readTrust();
    const seen = new Map<string, string>();
    let algorithms = trust.algorithms;
    const last: { verdict: HostKeyVerdict } = { verdict: { kind: 'unknown' } };
    // A fingerprint does not say which of the server's keys it is of, so each further type gets one handshake.
    while (algorithms.length > 0) {
      let judged = false;
      try {
        return await this.#handshake(privateKey, algorithms, (key) => {
          judged = true;
          last.verdict = trust.judge(key);
          seen.set(keyTypeOf(key), fingerprintOf(key));
          return last.verdict.kind === 'trusted';
        });
      } catch (error) {
        const isRefusal = judged && last.verdict.kind !== 'trusted';
        const isExhausted = seen.size > 0 && problem.isWithoutCommonAlgorithm(error);
        if (!isRefusal && !isExhausted) throw problem.classifyConnect(this.#options, error);
        if (isExhausted || this.#options.hostKey === 'known_hosts') break;
        algorithms = algorithmsExcept(new Set(seen.keys()));
      }
    }
    if (last.verdict.kind === 'trusted') throw new InvariantError('a trusted host key was refused');
    throw problem.untrusted(this.#options, [...seen.values()], last.verdict, trust.source);
  }

  async #handshake(
    privateKey: string,
    algorithms: HostKeyAlgorithm[],
    isTrusted: (key: Buffer) => boolean,
  ): Promise<NodeSSH> {
    const ssh = new NodeSSH();
    const connecting = ssh.connect({
      host: this.#options.address,
      port: this.#options.port,
      username: this.#options.user,
      privateKey,
      algorithms: { serverHostKey: algorithms },
      hostVerifier: isTrusted,
      readyTimeout: this.#options.connectTimeoutMs,
      keepaliveInterval: this.#options.keepAliveMs,
      keepaliveCountMax: keepAlivesMissedMax,
    });
    const client = ssh.connection;
    // node-ssh listens for errors only while it waits for something: without this an idle connection that drops would
    // end the process. What is under way is told by its channel's close.
    client?.on('error', () => client.destroy());
    // Every command is a conversation of short packets. Held back until the one before is acknowledged, each costs up to
    // 40 ms more; `ssh` switches that off, too.
    client?.once('connect', () => client.setNoDelay(true));
    try {
      await connecting;
      return ssh;
    } catch (error) {
      client?.destroy();
      ssh.dispose();
      throw error;
    }
  }

  async #readTrust(): Promise<Trust> {
    const { hostKey, knownHostsFile, address, port } = this.#options;
    if (hostKey !== 'known_hosts') {
      return {
        judge: (key) => judgeByFingerprint(hostKey, key),
        algorithms: preferredAlgorithms(new Set()),
        source: 'the inventory',
      };
    }
    const entries = knownHostsOf(parseKnownHosts(await readKnownHosts(knownHostsFile)), address, port);
    return {
      judge: (key) => judgeByKnownHosts(entries, key, knownHostsFile),
      algorithms: preferredAlgorithms(new Set(entries.filter((e) => e.marker === '').map((e) => e.keyType))),
      source: knownHostsFile,
    };
  }
}

/** A file that is not there knows nobody; the error that follows names it. */
async function readKnownHosts(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    const message = `the known_hosts file ${file} cannot be read`;
    throw new MaintenanceError('ssh/host-key', 'halt', message, { details: { expectedIn: file }, cause: error });
  }
}
