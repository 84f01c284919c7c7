/**
 * One server of the lab: a root file system of its own, namespaces, sshd and containerd. It can be powered off and on, and it
 * restarts when it is told to from inside, with a new boot id.
 *
 * It knows nothing of Kubernetes; the kubelet comes on top.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeKey, type LabKey } from '../ssh/keys.ts';
import { makeControlGroups, removeControlGroups } from './control-groups.ts';
import { imagesArchive } from './images.ts';
import {
  runInside,
  startResident,
  type ProcessId,
  type Resident,
  type RunOptions,
  type RunResult,
} from './namespaces.ts';
import { serverNetwork, type Network } from './network.ts';
import { podNetworkConfig, type PodNetwork } from './pod-network.ts';

export interface LabServerOptions {
  readonly name: string;
  /** Counts from 1; its addresses follow from it. */
  readonly number: number;
  readonly root: string;
  /** Holds one folder per server. */
  readonly folder: string;
  readonly cgroupPrefix: string;
  readonly network: Network;
  readonly authorizedKey: string;
  /** What containerd calls in place of runc. */
  readonly runcBinary?: string | undefined;
  readonly files?: readonly LabFile[] | undefined;
  readonly podNetwork?: PodNetwork | undefined;
}

/** Lies in a server before anything starts there. */
export interface LabFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

const readyMs = 60_000;
const pollMs = 50;
const sourceFolder = import.meta.dirname;

/** Where each file of ours goes in the server. */
const laidOut: readonly (readonly [file: string, target: string, mode: number])[] = [
  ['supervise.sh', 'usr/local/lib/lab/supervise.sh', 0o755],
  ['systemctl.sh', 'usr/local/sbin/systemctl', 0o755],
  ['lab-ipam.sh', 'opt/cni/bin/lab-ipam', 0o755],
  ['containerd.toml', 'etc/containerd/config.toml', 0o644],
];

export class LabServer {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly hostKey: LabKey = makeKey();
  readonly #options: LabServerOptions;
  readonly #podBridgeAddress: string;
  #resident: Resident | undefined;
  #bootId = '';

  private constructor(options: LabServerOptions) {
    this.#options = options;
    this.name = options.name;
    this.address = `${serverNetwork}.${10 + options.number}`;
    this.#podBridgeAddress = `10.88.255.${10 + options.number}`;
    this.folder = path.join(options.folder, options.name);
  }

  static async create(options: LabServerOptions): Promise<LabServer> {
    const server = new LabServer(options);
    await server.#layOut();
    return server;
  }

  get isOn(): boolean {
    return this.#resident !== undefined;
  }

  get first(): ProcessId {
    if (!this.#resident) throw new Error(`server ${this.name} is off`);
    return this.#resident.first;
  }

  /** Resolves when it goes off, for whatever reason. */
  get ended(): Promise<void> | undefined {
    return this.#resident?.ended;
  }

  /** All servers run the kernel of this machine. */
  get kernel(): string {
    return release();
  }

  get bootId(): string {
    return this.#bootId;
  }

  /** The server's file system as seen from outside; only while it is on. */
  inServer(file: string): string {
    return path.join(`/proc/${this.first.pid}/root`, file);
  }

  async powerOn(): Promise<void> {
    this.#bootId = randomUUID();
    await writeFile(path.join(this.folder, 'boot_id'), `${this.#bootId}\n`);
    const { network, cgroupPrefix, root } = this.#options;
    const cgroups = await makeControlGroups(`${cgroupPrefix}${this.name}`);
    const script = path.join(sourceFolder, 'server.sh');
    const resident = await startResident({
      namespaces: ['--mount', '--pid', '--net', '--uts', '--ipc'],
      command: ['/bin/sh', script, this.folder, root, this.name, this.address, this.#podBridgeAddress],
      cgroups,
      logFile: path.join(this.folder, 'console.log'),
    });
    this.#resident = resident;
    void resident.ended.then(() => {
      if (this.#resident === resident) this.#resident = undefined;
    });
    await network.plugIn(this.name, resident.first);
    await this.#untilReady(resident);
  }

  /** As if the plug were pulled. */
  async powerOff(): Promise<void> {
    const resident = this.#resident;
    this.#resident = undefined;
    await resident?.end();
    await removeControlGroups(`${this.#options.cgroupPrefix}${this.name}`);
  }

  async run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await runInside(this.first, command, options);
  }

  async #untilReady(resident: Resident): Promise<void> {
    const deadlineMs = performance.now() + readyMs;
    while (performance.now() < deadlineMs && this.#resident === resident) {
      const isUp = await runInside(resident.first, ['ctr', '--connect-timeout', '1s', 'version'], { mayFail: true });
      if (isUp.exitCode === 0) {
        await this.#loadImages();
        return;
      }
      await sleep(pollMs);
    }
    throw new Error(`server ${this.name} did not start: ${await this.#lastWords()}`);
  }

  async #lastWords(): Promise<string> {
    const files = [path.join(this.folder, 'console.log'), path.join(this.folder, 'upper/var/log/containerd.log')];
    const texts = await Promise.all(files.filter((file) => existsSync(file)).map((file) => readFile(file, 'utf8')));
    return texts.map((text) => text.slice(-600)).join('\n');
  }

  async #loadImages(): Promise<void> {
    const mark = path.join(this.folder, 'images-are-loaded');
    if (existsSync(mark)) return;
    await this.run(['ctr', '--namespace', 'k8s.io', 'images', 'import', '--local', imagesArchive], {
      timeoutMs: 120_000,
    });
    await writeFile(mark, '');
  }

  async #layOut(): Promise<void> {
    const upper = path.join(this.folder, 'upper');
    await mkdir(path.join(this.#options.folder, 'ipam'), { recursive: true });
    for (const [file, target, mode] of laidOut) {
      await mkdir(path.dirname(path.join(upper, target)), { recursive: true });
      await copyFile(path.join(sourceFolder, file), path.join(upper, target));
      await chmod(path.join(upper, target), mode);
    }
    const write = async (file: string, text: string, mode = 0o600): Promise<void> => {
      await mkdir(path.dirname(path.join(upper, file)), { recursive: true });
      await writeFile(path.join(upper, file), text, { mode });
    };
    const { runcBinary, files = [], podNetwork = 'lab-ipam', number } = this.#options;
    await write('etc/cni/net.d/10-pods.conflist', JSON.stringify(podNetworkConfig(podNetwork, number), undefined, 2));
    if (runcBinary !== undefined) {
      const config = path.join(upper, 'etc/containerd/config.toml');
      await writeFile(config, (await readFile(config, 'utf8')).replace('/usr/sbin/runc', runcBinary));
    }
    for (const { path: file, text, mode } of files) await write(file, text, mode);
    await mkdir(path.join(upper, 'root'), { recursive: true });
    await chmod(path.join(upper, 'root'), 0o700);
    await mkdir(path.join(upper, 'root/.ssh'), { recursive: true, mode: 0o700 });
    await write('root/.ssh/authorized_keys', `${this.#options.authorizedKey}\n`);
    await write('etc/ssh/ssh_host_ed25519_key', this.hostKey.private);
    await write('etc/ssh/sshd_config.d/lab.conf', 'HostKey /etc/ssh/ssh_host_ed25519_key\n');
  }
}
