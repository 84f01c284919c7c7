/**
 * A whole data centre on this machine: one simulated world behind a real Kubernetes API over HTTPS, a real BMC and an
 * SSH server per machine, and the inventory, kubeconfig and secrets with which a daemon reaches them.
 *
 * It starts no daemon and no run; to whoever connects it looks like the real thing.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Clock, Random } from '../ports/clock.ts';
import { createWorld, type World, type WorldServer } from '../simulator/world.ts';
import type { WorldWorkload } from '../simulator/workloads.ts';
import { startLabBmcs, type LabBmcs } from './bmc/lab-bmcs.ts';
import { startLabKubernetes, type LabKubernetes } from './kubernetes/lab-kubernetes.ts';
import { startLabSsh, type LabSsh } from './ssh/lab-ssh.ts';

export interface LabOptions {
  readonly folder: string;
  readonly servers: readonly WorldServer[];
  readonly workloads: readonly WorldWorkload[];
  readonly clock: Clock;
  readonly random: Random;
  /** How long the package managers pause after each line, so that there is something to see. */
  readonly linePauseMs?: number;
  readonly times?: Parameters<typeof createWorld>[0]['times'];
}

export interface Lab {
  readonly world: World;
  readonly kubernetes: LabKubernetes;
  readonly bmcs: LabBmcs;
  readonly ssh: LabSsh;
  /** Folder with the inventory document; the lab's own. */
  readonly inventoryFolder: string;
  readonly kubeconfigFile: string;
  readonly knownHostsFile: string;
  stop(): Promise<void>;
}

const bmcUser = 'pitcrew';
/** At most 20 characters: the limit of IPMI 2.0. */
const bmcPasswordLength = 18;

export async function startLab(options: LabOptions): Promise<Lab> {
  const { folder, random } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const world = createWorld(options);
  const machines = [...world.machines.values()];
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = stops.pop(); end; end = stops.pop()) await end();
    world.stop();
  };
  try {
    const password = random.id(bmcPasswordLength);
    const passwordFile = path.join(folder, 'bmc-password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    const kubernetes = await startLabKubernetes(world.api, { port: 0, folder: path.join(folder, 'kubernetes') });
    stops.push(() => kubernetes.stop());
    const bmcs = await startLabBmcs(machines, { folder: path.join(folder, 'bmc'), user: bmcUser, password });
    stops.push(() => bmcs.stop());
    const ssh = await startLabSsh(machines, { folder: path.join(folder, 'ssh'), linePauseMs: options.linePauseMs });
    stops.push(() => ssh.stop());
    const inventoryFolder = path.join(folder, 'inventory');
    await mkdir(inventoryFolder, { recursive: true });
    const inventory = inventoryOf(options.servers, bmcs, ssh, passwordFile);
    await writeFile(path.join(inventoryFolder, 'lab.yaml'), stringify(inventory));
    const { knownHostsFile } = ssh;
    const { kubeconfigFile } = kubernetes;
    return { world, kubernetes, bmcs, ssh, inventoryFolder, kubeconfigFile, knownHostsFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function inventoryOf(servers: readonly WorldServer[], bmcs: LabBmcs, ssh: LabSsh, passwordFile: string): unknown {
  return {
    apiVersion: 'pitcrew.dev/v1',
    kind: 'Inventory',
    metadata: { name: 'lab' },
    spec: {
      defaults: {
        site: 'lab',
        ssh: { user: 'root', privateKey: { file: ssh.privateKeyFile }, hostKey: 'known_hosts' },
        // A real BMC wants five seconds between commands; these do not freeze.
        bmc: {
          protocol: 'ipmi',
          user: bmcUser,
          password: { file: passwordFile },
          cipherSuite: 3,
          minCommandIntervalMs: 0,
        },
      },
      servers: servers.map(({ name, node, zone, rack, labels }) => {
        const [shell, bmc] = [ssh.endpoints.get(name), bmcs.endpoints.get(name)];
        return {
          name,
          node: node ?? name,
          address: shell?.address,
          labels: {
            role: 'worker',
            ...(zone === undefined ? {} : { zone }),
            ...(rack === undefined ? {} : { rack }),
            ...labels,
          },
          ssh: { port: shell?.port },
          bmc: { address: bmc?.address, port: bmc?.port },
        };
      }),
    },
  };
}
