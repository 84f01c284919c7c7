/**
 * One machine of the lab, seen from the network: an SSH server that runs commands with the real `/bin/sh`, in the
 * machine's folder, while the machine is up. It starts nothing by itself and knows no job runner.
 */
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel, type Session } from 'ssh2';
import type { Machine } from '../../simulator/machine.ts';
import type { MachineFiles } from './machine-files.ts';
import { endProcesses, processMark } from './processes.ts';

export interface LabServerOptions {
  readonly machine: Machine;
  readonly files: MachineFiles;
  readonly hostKey: string;
  readonly clientKey: ParsedKey;
  readonly rewrite: (text: string) => string;
  /** Folder of the programs that come first in PATH. */
  readonly shims: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** More than any runner's text; a client that never ends its input must not fill our memory. */
const stdinBytesMax = 16 * 1_048_576;

export class LabServer {
  readonly #options: LabServerOptions;
  readonly #listener: Server;
  readonly #ssh: ssh2.Server;
  readonly #sockets = new Set<Socket>();
  readonly #stopWatching: () => void;
  #wasUp: boolean;
  /** The processes of an earlier boot are still being ended, or: from here on nothing runs any more. */
  #ending: Promise<void> | undefined;
  #isStopped = false;
  port = 0;

  constructor(options: LabServerOptions) {
    this.#options = options;
    this.#wasUp = options.machine.system === 'up';
    this.#ssh = new ssh2.Server({ hostKeys: [options.hostKey] }, (connection) => this.#serve(connection));
    this.#listener = createServer((socket) => this.#accept(socket));
    this.#stopWatching = options.machine.onChange(() => this.#onChange());
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(0, '127.0.0.1', resolve);
    });
    this.port = (this.#listener.address() as AddressInfo).port;
  }

  /** From now on nothing is started any more. What runs is ended by the lab, for all machines at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopWatching();
    this.#cut();
    const closed = new Promise((resolve) => {
      this.#listener.close(resolve);
    });
    await this.#ending;
    await closed;
  }

  #onChange(): void {
    const { machine, files } = this.#options;
    const isUp = machine.system === 'up';
    if (isUp && !this.#wasUp) files.boot();
    if (!isUp && this.#wasUp) this.#endAll();
    // A hung system keeps its connections and says nothing; power and boot end them.
    if (machine.system === 'hung') for (const socket of this.#sockets) socket.pause();
    else if (!isUp) this.#cut();
    this.#wasUp = isUp;
  }

  #endAll(): void {
    const ending = endProcesses(this.#options.files.root).then(
      () => {
        if (this.#ending === ending) this.#ending = undefined;
      },
      // Then nobody is let in again: a boot that still has processes of the one before is none.
      () => undefined,
    );
    this.#ending = ending;
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    const { machine } = this.#options;
    socket.on('error', () => undefined);
    // As OpenSSH's server does.
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    if (machine.system === 'hung' || (machine.system === 'up' && machine.faults.sshHangs)) return;
    if (machine.system !== 'up' || this.#ending || this.#isStopped) {
      socket.resetAndDestroy();
      return;
    }
    this.#ssh.injectSocket(socket);
  }

  #serve(connection: Connection): void {
    let user = '';
    // What goes wrong with a connection is the client's to report.
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      if (!isAllowed(context, this.#options.clientKey)) {
        context.reject(['publickey']);
        return;
      }
      user = context.username;
      context.accept();
    });
    connection.on('session', (accept) => this.#session(accept(), () => user));
  }

  #session(session: Session, user: () => string): void {
    session.on('exec', (accept, reject, { command }) => {
      if (this.#options.machine.system !== 'up' || this.#isStopped) {
        reject();
        return;
      }
      this.#execute(accept(), command, user());
    });
  }

  /** The whole input is read before the shell starts, because paths in it are rewritten. */
  #execute(channel: ServerChannel, command: string, user: string): void {
    const chunks: Buffer[] = [];
    let size = 0;
    channel.on('error', () => undefined);
    channel.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > stdinBytesMax) channel.destroy();
      else chunks.push(chunk);
    });
    channel.on('end', () => {
      const { machine } = this.#options;
      // Cut before its end, or hung: nothing is started, as with a real server.
      if (machine.system !== 'up' || machine.faults.sshHangs || this.#ending || this.#isStopped) return;
      this.#spawn(channel, command, Buffer.concat(chunks).toString('utf8'), user);
    });
  }

  #spawn(channel: ServerChannel, command: string, stdin: string, user: string): void {
    const { files, rewrite, shims, machine } = this.#options;
    files.keepInStep();
    const child = spawn('/bin/sh', ['-c', rewrite(command)], {
      cwd: files.root,
      detached: true,
      env: {
        ...this.#options.environment,
        PATH: `${shims}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
        HOME: join(files.root, user === 'root' ? 'root' : 'home'),
        USER: user,
        LAB_USER: user,
        LAB_NAME: machine.name,
        LAB_ROOT: files.root,
        LAB_UPDATED: machine.options.updatedKernel,
        [processMark]: files.root,
      },
    });
    // Whoever goes away first: the other's pipe breaks, and that is all.
    child.on('error', () => channel.destroy());
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (data: Buffer) => channel.write(data));
    child.stderr.on('data', (data: Buffer) => channel.stderr.write(data));
    child.on('close', (code, signal) => {
      if (signal === null) channel.exit(code ?? 0);
      else channel.exit(signal.replace('SIG', ''));
      channel.end();
    });
    channel.on('close', () => {
      child.stdout.destroy();
      child.stderr.destroy();
    });
    child.stdin.end(rewrite(stdin));
  }
}

/** First the client asks whether this key would do, then it signs with it. */
function isAllowed(context: AuthContext, allowed: ParsedKey): boolean {
  if (context.method !== 'publickey' || context.key.algo !== allowed.type) return false;
  if (!context.key.data.equals(allowed.getPublicSSH())) return false;
  if (!context.signature || !context.blob) return true;
  // ssh2 returns an Error, which is truthy, where the signature cannot be read.
  const verified: unknown = allowed.verify(context.blob, context.signature, context.hashAlgo);
  return verified === true;
}
