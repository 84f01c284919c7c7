/** A real OpenSSH server for tests: own port, own keys, own folder; and a wire in front of it that can be cut. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { makeKey } from '../../../src/lab/ssh/keys.ts';

const sshdProgram = '/usr/sbin/sshd';

/** A port in front of another one, on which connections can be cut or silenced. */
export class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #silent = false;

  constructor(targetPort: () => number) {
    this.#server = createServer((near) => {
      const far = createConnection(targetPort(), '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on('data', (data) => {
          if (!this.#silent) to.write(data);
        });
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Returns how many connections there were. */
  cut(): number {
    const count = this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.destroy();
    return count;
  }

  silence(silent: boolean): void {
    this.#silent = silent;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

export interface Sshd {
  readonly folder: string;
  /** Of the wire. */
  readonly port: number;
  readonly user: string;
  readonly wire: Wire;
  readonly privateKeyFile: string;
  readonly knownHostsFile: string;
  readonly hostKeys: readonly { readonly type: string; readonly public: string }[];
  /** Programs put here are found first by commands on the server. */
  readonly programs: string;
  /** Ends every process that was started through this server. */
  endProcesses(): Promise<number>;
  processes(): Promise<{ pid: number; command: string }[]>;
  stop(): Promise<void>;
}

export async function startSshd(): Promise<Sshd> {
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-sshd-'));
  const programs = join(folder, 'programs');
  await mkdir(programs);
  const ed25519 = makeKey();
  const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2_048 });
  const client = makeKey();
  const hostKeys = [
    { type: 'ssh-ed25519', public: ed25519.public },
    { type: 'ssh-rsa', public: rsa.public },
  ];
  const privateKeyFile = await secretFile(join(folder, 'client'), client.private);
  await secretFile(join(folder, 'host_ed25519'), ed25519.private);
  await secretFile(join(folder, 'host_rsa'), rsa.private);
  await secretFile(join(folder, 'authorized_keys'), `${client.public}\n`);
  const innerPort = await freePort();
  await writeFile(join(folder, 'sshd_config'), configText(folder, programs, innerPort));
  // OpenSSH's privilege separation wants its empty folder where it runs as root.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const daemon = spawn(sshdProgram, ['-D', '-e', '-f', join(folder, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  daemon.stderr.on('data', (data: Buffer) => void (log += data.toString()));
  try {
    await untilListening(daemon, innerPort, () => log);
  } catch (error) {
    daemon.kill();
    throw error;
  }
  const wire = new Wire(() => innerPort);
  const port = await wire.listen();
  const knownHostsFile = join(folder, 'known_hosts');
  await writeFile(knownHostsFile, hostKeys.map((key) => `[127.0.0.1]:${port} ${key.public}\n`).join(''));
  const processes = (): Promise<{ pid: number; command: string }[]> => processesOf(folder);
  const endProcesses = async (): Promise<number> => endAll(await processes());
  const stop = async (): Promise<void> => {
    await wire.close();
    const gone = new Promise((resolve) => {
      daemon.once('exit', resolve);
    });
    if (daemon.exitCode === null && daemon.kill()) await gone;
    while ((await endProcesses()) > 0) await pause(20);
    await rm(folder, { recursive: true, force: true });
  };
  const user = userInfo().username;
  return {
    folder,
    port,
    user,
    wire,
    privateKeyFile,
    knownHostsFile,
    hostKeys,
    programs,
    endProcesses,
    processes,
    stop,
  };
}

/** `SetEnv` marks every process that comes from this server, so that a "reboot" finds them all, detached or not. */
function configText(folder: string, programs: string, port: number): string {
  return [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host_ed25519')}`,
    `HostKey ${join(folder, 'host_rsa')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    `PidFile ${join(folder, 'pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    'PrintMotd no',
    `SetEnv PITCREW_TEST_SERVER=${folder} PATH=${programs}:/usr/bin:/bin:/usr/sbin:/sbin`,
    '',
  ].join('\n');
}

export async function secretFile(path: string, text: string): Promise<string> {
  await writeFile(path, text);
  await chmod(path, 0o600);
  return path;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

async function untilListening(daemon: ChildProcess, port: number, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (daemon.exitCode !== null) throw new Error(`sshd ended: ${log()}`);
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = createConnection(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await pause(50);
  }
  throw new Error(`sshd does not listen: ${log()}`);
}

/** Processes whose environment carries this server's mark. */
async function processesOf(folder: string): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
      if (!environment.split('\0').includes(`PITCREW_TEST_SERVER=${folder}`)) continue;
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
      found.push({ pid: Number(pid), command });
    } catch {
      // It ended while we looked, or is somebody else's.
    }
  }
  return found;
}

function endAll(processes: readonly { pid: number }[]): number {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It was quicker.
    }
  }
  return processes.length;
}

export async function pause(durationMs: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
