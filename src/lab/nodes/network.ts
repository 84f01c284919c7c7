/**
 * The cables of the lab: a network namespace with two bridges, one for the servers and one for the pods of all of them (a flat
 * network, so that an address can move), and the doors through which the lab's own process reaches a server.
 *
 * Nothing of it is visible in the machine's own network, where the lab listens on loopback only.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createConnection, createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { execa } from 'execa';
import { startResident, type ProcessId, type Resident } from './namespaces.ts';

export const serverNetwork = '10.77.0';
export const switchAddress = `${serverNetwork}.1`;
/** Where clients of pods live. */
export const clientAddress = '10.88.0.1';

const commandMs = 20_000;
const relayFile = path.join(import.meta.dirname, 'relay.ts');

/** A server has the same one after every boot: others remember it for half a minute and more. */
function macOf(cable: string): string {
  const bytes = hash('sha256', cable).slice(0, 10).match(/../g) ?? [];
  // Given locally, for one station.
  return ['02', ...bytes].join(':');
}

export class Network {
  readonly #folder: string;
  readonly #resident: Resident;
  readonly #relays: { child: ChildProcess; server: Server }[] = [];

  private constructor(folder: string, resident: Resident) {
    this.#folder = folder;
    this.#resident = resident;
  }

  get first(): ProcessId {
    return this.#resident.first;
  }

  static async start(folder: string): Promise<Network> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const resident = await startResident({
      namespaces: ['--net', '--pid', '--mount-proc'],
      command: ['sleep', 'infinity'],
      cgroups: [],
      logFile: path.join(folder, 'switch.log'),
    });
    const network = new Network(folder, resident);
    await network.#ip('link', 'set', 'lo', 'up');
    for (const [bridge, address] of [
      ['servers', `${switchAddress}/24`],
      ['pods', `${clientAddress}/16`],
    ] as const) {
      await network.#ip('link', 'add', bridge, 'type', 'bridge');
      await network.#ip('addr', 'add', address, 'dev', bridge);
      await network.#ip('link', 'set', bridge, 'up');
    }
    return network;
  }

  /** `eth0` and `pods0` appear in the server's namespace; they go with it. */
  async plugIn(name: string, server: ProcessId): Promise<void> {
    for (const [bridge, inServer] of [
      ['servers', 'eth0'],
      ['pods', 'pods0'],
    ] as const) {
      const cable = `${name}-${bridge.slice(0, 1)}`;
      // That of an earlier boot is gone only when the kernel has taken down its namespace, which it does in its own time.
      await this.#ip('link', 'delete', cable).catch(() => undefined);
      const peer = ['peer', 'name', inServer, 'address', macOf(cable), 'netns', String(server.pid)];
      await this.#ip('link', 'add', cable, 'type', 'veth', ...peer);
      await this.#ip('link', 'set', cable, 'master', bridge, 'up');
    }
  }

  /** Takes the cable of the servers' network out, or plugs it in again; the pods' cable stays. */
  async setServerLink(name: string, isUp: boolean): Promise<void> {
    await this.#ip('link', 'set', `${name}-s`, isUp ? 'up' : 'down');
  }

  /** A port on loopback that leads to an address in the lab. */
  async openDoor(host: string, port: number): Promise<number> {
    const socket = path.join(this.#folder, `${host}-${port}.sock`);
    const target = [socket, host, String(port)];
    const child = spawn(
      'nsenter',
      [
        '--target',
        String(this.first.pid),
        '--net',
        'setpriv',
        '--pdeathsig',
        'KILL',
        process.execPath,
        relayFile,
        ...target,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error(`the relay to ${host}:${port} ended`))),
    ]);
    const server = createServer((near) => {
      const far = createConnection(socket);
      near.pipe(far).pipe(near);
      near.on('error', () => far.destroy()).on('close', () => far.destroy());
      far.on('error', () => near.destroy()).on('close', () => near.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#relays.push({ child, server });
    return (server.address() as AddressInfo).port;
  }

  /** How to run something where the clients of the pods are. */
  asClient(command: readonly string[]): [string, string[]] {
    return ['nsenter', ['--target', String(this.first.pid), '--net', 'setpriv', '--pdeathsig', 'KILL', ...command]];
  }

  async stop(): Promise<void> {
    for (const { child, server } of this.#relays) {
      server.close();
      child.kill('SIGKILL');
    }
    await this.#resident.end();
  }

  async #ip(...args: string[]): Promise<void> {
    await execa('nsenter', ['--target', String(this.first.pid), '--net', 'ip', ...args], { timeout: commandMs });
  }
}
