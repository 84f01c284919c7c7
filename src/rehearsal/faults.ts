/**
 * What can be made to go wrong in a rehearsal, by the names that people ask for it: `rack1-03:reboot`.
 *
 * It only sets switches of the simulated machines and of the snapshot's copy; what follows from them is found out by
 * the rehearsal itself.
 */
import { recordAt, type JsonRecord } from '../cluster/json.ts';
import type { ClusterObjects } from '../cluster/scrub.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Machine, MachineFaults } from '../simulator/machine.ts';

interface MachineFault {
  readonly says: string;
  readonly faults?: Partial<MachineFaults>;
  /** How many times as long as usual it boots. */
  readonly bootsSlower?: number;
  /** What is found after the first boot. */
  readonly afterBoot?: (machine: Machine) => void;
  /** Which kind of the playbook's commands fails. */
  readonly failing?: 'prepare' | 'service';
}

const machineFaults = {
  bmc: { says: 'its BMC does not answer', faults: { bmcSilent: true } },
  'bmc-lies': { says: 'its BMC takes "power off" twice and does not obey', faults: { bmcIgnoresOffTimes: 2 } },
  'bmc-password': { says: 'its BMC refuses the password', faults: { bmcRefusesPassword: true } },
  'boot-id': { says: 'it says that it rebooted, and has not', faults: { keepsBootId: true } },
  'boot-slow': { says: 'it takes four times as long to boot', bootsSlower: 4 },
  evacuate: { says: 'one of its pods never ends' },
  hang: { says: 'it hangs on its way down; only the BMC helps', faults: { shutdownHangs: true } },
  prepare: { says: 'the first command of "prepare" fails', failing: 'prepare' },
  reboot: { says: 'it never comes back from a reboot', faults: { neverBoots: true } },
  sel: {
    says: 'its event log has a critical entry after the reboot',
    afterBoot: (machine) => machine.recordSel('Memory', 'Uncorrectable ECC', true),
  },
  sensors: {
    says: 'a sensor is critical after the reboot',
    afterBoot: (machine) => machine.sensors.push({ name: 'Fan 3', value: '0 RPM', status: 'critical' }),
  },
  service: { says: 'the first command of "service" fails', failing: 'service' },
  ssh: { says: 'SSH takes connections and says nothing', faults: { sshHangs: true } },
  verify: {
    says: 'a unit has failed after the reboot',
    afterBoot: (machine) => machine.failedUnits.push('rehearsed-failure.service'),
  },
  'wrong-kernel': { says: 'it boots the old kernel again', faults: { bootsOldKernel: true } },
} as const satisfies Readonly<Record<string, MachineFault>>;

/** Shares of calls to the Kubernetes API. */
const clusterFaults = {
  flaky: { says: 'one in ten calls to the Kubernetes API fails', rate: 0.1, answerLostRate: 0 },
  'answers-lost': {
    says: 'one in twenty calls to the Kubernetes API has its effect, and its answer is lost',
    rate: 0,
    answerLostRate: 0.05,
  },
} as const;

type MachineFaultName = keyof typeof machineFaults;
type ClusterFaultName = keyof typeof clusterFaults;

export interface RequestedFault {
  /** `cluster` for the Kubernetes API. */
  readonly server: string;
  readonly fault: string;
  readonly says: string;
}

export interface Faults {
  readonly requested: readonly RequestedFault[];
  readonly ofCluster: { readonly rate: number; readonly answerLostRate: number } | undefined;
  ofMachine(server: string): Partial<MachineFaults> | undefined;
  bootsSlower(server: string): number;
  afterBoot(server: string, machine: Machine): void;
  fails(server: string, kind: 'prepare' | 'service'): boolean;
  /** The snapshot's objects, with what cannot be had by a switch of a machine. */
  spoil(objects: ClusterObjects, nodeOf: (server: string) => string): ClusterObjects;
}

/** All faults that this server, or `cluster`, can be asked to have. */
export function knownFaults(server: string): { name: string; says: string }[] {
  return Object.entries(tableOf(server)).map(([name, { says }]) => ({ name, says }));
}

function tableOf(server: string): Readonly<Record<string, { says: string }>> {
  return server === 'cluster' ? clusterFaults : machineFaults;
}

/** @throws `run/refused` where a server or a fault is not known, naming those that are */
export function parseFaults(asked: readonly string[], servers: readonly string[]): Faults {
  const requested = asked.map((text) => parseFault(text, servers));
  const named = (server: string): MachineFault[] =>
    requested.flatMap((one) => (one.server === server ? [machineFaults[one.fault as MachineFaultName]] : []));
  const ofCluster = requested
    .filter(({ server }) => server === 'cluster')
    .map(({ fault }) => clusterFaults[fault as ClusterFaultName]);
  return {
    requested,
    ofCluster:
      ofCluster.length === 0
        ? undefined
        : {
            rate: Math.max(...ofCluster.map(({ rate }) => rate)),
            answerLostRate: Math.max(...ofCluster.map(({ answerLostRate }) => answerLostRate)),
          },
    ofMachine: (server) => Object.assign({}, ...named(server).map(({ faults }) => faults)) as Partial<MachineFaults>,
    bootsSlower: (server) => Math.max(1, ...named(server).map(({ bootsSlower }) => bootsSlower ?? 1)),
    afterBoot: (server, machine) => {
      for (const { afterBoot } of named(server)) afterBoot?.(machine);
    },
    fails: (server, kind) => named(server).some(({ failing }) => failing === kind),
    spoil: (objects, nodeOf) => {
      const stuck = requested.filter(({ fault }) => fault === 'evacuate').map(({ server }) => nodeOf(server));
      return stuck.reduce(withStuckPod, objects);
    },
  };
}

function parseFault(text: string, servers: readonly string[]): RequestedFault {
  const at = text.lastIndexOf(':');
  const [server, fault] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)];
  const table = tableOf(server);
  if (at <= 0)
    throw refused(`"${text}" is no fault: it is written SERVER:FAULT, e.g. ${servers[0] ?? 'SERVER'}:reboot`);
  if (server !== 'cluster' && !servers.includes(server)) {
    throw refused(`the plan has no server ${server}; there are: ${shortList(servers)}`);
  }
  const line = Object.hasOwn(table, fault) ? table[fault] : undefined;
  if (!line) {
    const names = Object.keys(table).join(', ');
    throw refused(`there is no fault "${fault}"; there are: ${names}; \`--fail ${server}:?\` says what they do`);
  }
  return { server, fault, says: line.says };
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(', ');
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}

function refused(message: string): MaintenanceError {
  return new MaintenanceError('run/refused', 'halt', message);
}

/** The first pod of the node that would have to go gets a finalizer that nobody takes away. */
function withStuckPod(objects: ClusterObjects, node: string): ClusterObjects {
  const at = objects.pods.findIndex((pod) => {
    const owners = recordAt(pod, 'metadata')['ownerReferences'];
    const owner = Array.isArray(owners) ? recordAt({ owner: owners[0] as unknown }, 'owner')['kind'] : undefined;
    return recordAt(pod, 'spec')['nodeName'] === node && owner !== 'DaemonSet' && owner !== 'Node';
  });
  const pod = objects.pods[at];
  if (!pod) throw refused(`no pod of ${node} would have to move, so none can get stuck`);
  const metadata = { ...recordAt(pod, 'metadata'), finalizers: ['rehearsal.pitcrew.dev/never-ends'] };
  const stuck: JsonRecord = { ...pod, metadata };
  return { ...objects, pods: objects.pods.with(at, stuck) };
}
