/**
 * A small data centre of real containers on one machine: servers as namespaces with sshd, containerd, runc and CRIU, and the
 * lab's Kubernetes on top, whose kubelets speak to the real containerd. Real sandboxes, real networks, real processes.
 *
 * It starts no daemon and moves no pod; whoever connects does.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Clock, Random } from '../../ports/clock.ts';
import { defineKind, kinds, type Kind } from '../../simulator/kubernetes/kinds.ts';
import { createWorld, type World } from '../../simulator/world.ts';
import { startLabBmcs, type LabBmcs } from '../bmc/lab-bmcs.ts';
import { startLabKubernetes, type LabKubernetes } from '../kubernetes/lab-kubernetes.ts';
import { makeKey } from '../ssh/keys.ts';
import { criDefinitions, Kubelet } from './kubelet/kubelet.ts';
import { deviceResource } from './kubelet/pod-config.ts';
import { cgroupPrefixOf, clearLeftovers, LabTrace } from './leftovers.ts';
import { keepNames } from './names.ts';
import { Network } from './network.ts';
import type { PodNetwork } from './pod-network.ts';
import { ensureRoot } from './root.ts';
import { LabServer, type LabFile } from './server.ts';
import { ServerChassis } from './server-chassis.ts';

export interface NodeLabOptions {
  /** One server each. */
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** What containerd calls in place of runc; for example one of these files. */
  readonly runcBinary?: string | undefined;
  /** Laid out on every server. */
  readonly files?: readonly LabFile[] | undefined;
  /** `lab-ipam` where nothing is said. */
  readonly podNetwork?: PodNetwork | undefined;
  /** Words about what takes long, and about what goes wrong on the servers. */
  readonly say: (text: string, facts?: Readonly<Record<string, string>>) => void;
}

export interface NodeLab {
  readonly folder: string;
  readonly world: World;
  readonly kubernetes: LabKubernetes;
  readonly network: Network;
  readonly servers: ReadonlyMap<string, LabServer>;
  /** What the BMC of each server drives. */
  readonly chassis: ReadonlyMap<string, ServerChassis>;
  readonly configMaps: Kind;
  readonly secrets: Kind;
  /** With what the lab's own process, or a daemon beside it, logs in to the servers. */
  readonly privateKeyFile: string;
  readonly knownHostsFile: string;
  /** Port on 127.0.0.1 that leads to the sshd of a server. */
  readonly sshPorts: ReadonlyMap<string, number>;
  readonly inventoryFolder: string;
  /** The names of the pods that are Ready, as in /etc/hosts. */
  readonly namesFile: string;
  powerOff(name: string): Promise<void>;
  powerOn(name: string): Promise<void>;
  /** The kubelet alone, as if its process ended; the containers run on. */
  restartKubelet(name: string): Promise<void>;
  stop(): Promise<void>;
}

const idLength = 8;
const capacity = { cpu: '16', memory: '24Gi', pods: '110', [deviceResource]: '8' };
const bmcUser = 'pitcrew';
/** At most 20 characters: the limit of IPMI 2.0. */
const bmcPasswordLength = 18;

export async function startNodeLab(options: NodeLabOptions): Promise<NodeLab> {
  const root = await ensureRoot({ say: options.say });
  const cleared = await clearLeftovers();
  if (cleared > 0) options.say('took away what labs that died had left', { labs: String(cleared) });
  const trace = await LabTrace.begin(options.random.id(idLength));
  const lab = new Lab(options, root, trace);
  try {
    await lab.start();
    return lab;
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

class Lab implements NodeLab {
  readonly folder: string;
  readonly world: World;
  readonly servers = new Map<string, LabServer>();
  readonly chassis = new Map<string, ServerChassis>();
  readonly sshPorts = new Map<string, number>();
  readonly configMaps = defineKind({ group: '', resource: 'configmaps', kind: 'ConfigMap', shortNames: ['cm'] });
  readonly secrets = defineKind({ group: '', resource: 'secrets', kind: 'Secret' });
  readonly privateKeyFile: string;
  readonly knownHostsFile: string;
  readonly inventoryFolder: string;
  readonly namesFile: string;
  readonly #options: NodeLabOptions;
  readonly #root: string;
  readonly #trace: LabTrace;
  readonly #kubelets = new Map<string, Kubelet>();
  #network: Network | undefined;
  #kubernetes: LabKubernetes | undefined;
  #bmcs: LabBmcs | undefined;
  /** By us; what goes off otherwise may want to come back. */
  readonly #switchedOff = new Set<string>();
  #endNames: (() => void) | undefined;

  constructor(options: NodeLabOptions, root: string, trace: LabTrace) {
    this.#options = options;
    this.#root = root;
    this.#trace = trace;
    this.folder = trace.folder;
    this.privateKeyFile = path.join(this.folder, 'id_ed25519');
    this.knownHostsFile = path.join(this.folder, 'known_hosts');
    this.inventoryFolder = path.join(this.folder, 'inventory');
    this.namesFile = path.join(this.folder, 'names');
    this.world = createWorld({ servers: [], clock: options.clock, random: options.random });
    const { api } = this.world;
    api.kinds.add(this.configMaps);
    api.kinds.add(this.secrets);
  }

  get network(): Network {
    if (!this.#network) throw new Error('the lab has no network yet');
    return this.#network;
  }

  get kubernetes(): LabKubernetes {
    if (!this.#kubernetes) throw new Error('the lab has no cluster yet');
    return this.#kubernetes;
  }

  async start(): Promise<void> {
    const { names } = this.#options;
    this.#endNames = keepNames(this.world.api.store, this.namesFile);
    this.#kubernetes = await startLabKubernetes(this.world.api, {
      port: 0,
      folder: path.join(this.folder, 'kubernetes'),
    });
    this.#network = await Network.start(path.join(this.folder, 'switch'));
    const key = makeKey();
    await writeFile(this.privateKeyFile, key.private, { mode: 0o600 });
    for (const [index, name] of names.entries()) {
      const server = await LabServer.create({
        name,
        number: index + 1,
        root: this.#root,
        folder: path.join(this.folder, 'servers'),
        cgroupPrefix: cgroupPrefixOf(this.#trace.id),
        network: this.network,
        authorizedKey: key.public,
        runcBinary: this.#options.runcBinary,
        files: this.#options.files,
        podNetwork: this.#options.podNetwork,
      });
      this.servers.set(name, server);
      this.chassis.set(name, this.#chassisOf(server));
      this.world.api.registry.create(kinds.nodes, '', {
        metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
        spec: {},
      });
      this.sshPorts.set(name, await this.network.openDoor(server.address, 22));
    }
    await Promise.all(names.map((name) => this.powerOn(name)));
    await this.#writeAccess(await this.#startBmcs());
  }

  async powerOn(name: string): Promise<void> {
    const server = this.#server(name);
    this.#switchedOff.delete(name);
    await server.powerOn();
    await this.#trace.note(this.#residents());
    void server.ended
      ?.then(() => this.#onEnded(server))
      .catch((error: unknown) =>
        this.#options.say('a server does not come back', { server: name, error: String(error) }),
      );
    await this.#startKubelet(server);
  }

  async powerOff(name: string): Promise<void> {
    this.#stopKubelet(name);
    this.#switchedOff.add(name);
    await this.#server(name).powerOff();
  }

  async restartKubelet(name: string): Promise<void> {
    this.#stopKubelet(name);
    await this.#startKubelet(this.#server(name));
  }

  async stop(): Promise<void> {
    await this.#bmcs?.stop();
    for (const name of this.servers.keys()) await this.powerOff(name);
    this.#endNames?.();
    await this.#network?.stop();
    await this.#kubernetes?.stop();
    this.world.stop();
    await this.#trace.end();
  }

  #chassisOf(server: LabServer): ServerChassis {
    const { name } = server;
    const { clock, say } = this.#options;
    const doors = {
      name,
      powerOff: () => this.powerOff(name),
      powerOn: () => this.powerOn(name),
      // A system that is down, or on its way, hears nothing.
      pressButton: async () => {
        if (server.isOn) await server.run(['systemctl', 'poweroff'], { mayFail: true });
      },
      say: (text: string, facts: Readonly<Record<string, string>>) => say(text, { server: name, ...facts }),
    };
    return new ServerChassis(doors, clock);
  }

  /** Gives the file with their password. */
  async #startBmcs(): Promise<string> {
    const passwordFile = path.join(this.folder, 'bmc-password');
    const password = this.#options.random.id(bmcPasswordLength);
    await writeFile(passwordFile, password, { mode: 0o600 });
    const settings = { folder: path.join(this.folder, 'bmc'), user: bmcUser, password };
    this.#bmcs = await startLabBmcs([...this.chassis.values()], settings);
    return passwordFile;
  }

  async #startKubelet(server: LabServer): Promise<void> {
    const { name } = server;
    const kubelet = await Kubelet.start({
      server,
      api: this.world.api,
      clock: this.#options.clock,
      configMaps: this.configMaps,
      secrets: this.secrets,
      definitionFile: path.join(this.#root, criDefinitions),
      capacity,
      onRunning: (isRunning) => this.world.controlPlane.lifecycle.onKubelet(name, isRunning),
      say: (text, facts) => this.#options.say(text, { server: name, ...facts }),
    });
    this.#kubelets.set(name, kubelet);
  }

  #stopKubelet(name: string): void {
    this.#kubelets.get(name)?.stop();
    this.#kubelets.delete(name);
  }

  /** It went off without us: from inside, as a reboot does, or because it broke. */
  async #onEnded(server: LabServer): Promise<void> {
    if (this.#switchedOff.has(server.name) || server.isOn) return;
    this.#stopKubelet(server.name);
    await server.powerOff();
    const wishFile = path.join(server.folder, 'upper/var/lib/lab-wish');
    const wish = await readFile(wishFile, 'utf8').catch(() => '');
    await rm(wishFile, { force: true });
    if (wish.trim() === 'reboot') {
      await this.powerOn(server.name);
      return;
    }
    this.chassis.get(server.name)?.onSystemOff();
    this.#options.say('a server went off', { server: server.name });
  }

  #server(name: string): LabServer {
    const server = this.servers.get(name);
    if (!server) throw new Error(`the lab has no server ${name}`);
    return server;
  }

  #residents(): LabServer['first'][] {
    return [this.network.first, ...[...this.servers.values()].filter(({ isOn }) => isOn).map(({ first }) => first)];
  }

  async #writeAccess(passwordFile: string): Promise<void> {
    const lines = [...this.servers.values()].map(({ name, hostKey }) => {
      const parsed = hostKey.parsed;
      return `[127.0.0.1]:${this.sshPorts.get(name)} ${parsed.type} ${parsed.getPublicSSH().toString('base64')}\n`;
    });
    await writeFile(this.knownHostsFile, lines.join(''));
    await mkdir(this.inventoryFolder, { recursive: true });
    const inventory = {
      apiVersion: 'pitcrew.dev/v1',
      kind: 'Inventory',
      metadata: { name: 'nodelab' },
      spec: {
        defaults: {
          site: 'lab',
          ssh: { user: 'root', privateKey: { file: this.privateKeyFile }, hostKey: 'known_hosts' },
          // A real BMC wants five seconds between commands; these do not freeze.
          bmc: {
            protocol: 'ipmi',
            user: bmcUser,
            password: { file: passwordFile },
            cipherSuite: 3,
            minCommandIntervalMs: 0,
          },
        },
        servers: [...this.servers.keys()].map((name) => {
          const bmc = this.#bmcs?.endpoints.get(name);
          return {
            name,
            node: name,
            address: '127.0.0.1',
            labels: { role: 'worker', 'pitcrew.dev/live-migration': 'criu' },
            ssh: { port: this.sshPorts.get(name) },
            bmc: { address: bmc?.address, port: bmc?.port },
          };
        }),
      },
    };
    await writeFile(path.join(this.inventoryFolder, 'nodelab.yaml'), stringify(inventory));
  }
}
