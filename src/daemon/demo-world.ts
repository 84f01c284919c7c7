/** The data centre of the demo: six servers in two racks, and what runs on them. Small numbers, so that it is quick. */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { World, WorldServer } from '../simulator/world.ts';
import type { WorldWorkload } from '../simulator/workloads.ts';

/** How long one try of a reboot may take in the demo: enough for a server that boots in two seconds. */
const rebootTimeoutMs = 6_000;

/** In milliseconds of a real second; `speed` makes everything quicker. */
export function demoServers(speed: number): WorldServer[] {
  return ['rack1-01', 'rack1-02', 'rack1-03', 'rack2-01', 'rack2-02', 'rack2-03'].map((name) => {
    const rack = name.slice(0, 5);
    return {
      name,
      rack,
      zone: rack,
      kernel: '6.12.101+deb13-amd64',
      updatedKernel: '6.12.107+deb13-amd64',
      bootMs: 2_000 / speed,
      shutdownMs: 500 / speed,
      // The one that hangs on its way down: it has to be switched off, and its BMC does not obey at first.
      faults: name === 'rack2-03' ? { shutdownHangs: true, bmcIgnoresOffTimes: 1 } : {},
    };
  });
}

/** Slower servers get more time; a quicker one still has to answer over SSH from a busy machine. */
export function demoRebootTimeoutMs(speed: number): number {
  return Math.round(rebootTimeoutMs / Math.min(1, speed));
}

export function demoWorkloads(): WorldWorkload[] {
  return [
    {
      kind: 'deployment',
      name: 'web',
      namespace: 'shop',
      replicas: 8,
      cpu: '250m',
      memory: '256Mi',
      readyAfter: '1s',
      gracePeriodSeconds: 1,
      budget: { minAvailable: 7 },
    },
    {
      kind: 'deployment',
      name: 'checkout',
      namespace: 'shop',
      replicas: 4,
      cpu: '200m',
      memory: '256Mi',
      readyAfter: '1s',
      gracePeriodSeconds: 1,
    },
    {
      // Two of three have to be there, and each takes its time: this budget refuses for a while.
      kind: 'statefulSet',
      name: 'orders-db',
      namespace: 'shop',
      replicas: 3,
      cpu: '500m',
      memory: '1Gi',
      readyAfter: '2s',
      gracePeriodSeconds: 2,
      volumeSize: '10Gi',
      budget: { minAvailable: 2 },
    },
    { kind: 'daemonSet', name: 'node-exporter', namespace: 'monitoring', cpu: '50m', memory: '64Mi' },
  ];
}

/**
 * This server does not boot until it has been switched off and on twice. A run tries that once and then halts; a person
 * helps by `pitcrew power` or by a retry, which switches it once more.
 */
export function breakServer(world: World, name: string): void {
  const machine = world.machines.get(name);
  if (!machine) {
    const names = [...world.machines.keys()].join(', ');
    throw new MaintenanceError('run/refused', 'halt', `the demo has no server ${name}; there are: ${names}`);
  }
  machine.faults.neverBoots = true;
  machine.onChange(() => {
    if (machine.powerCycles >= 2) machine.faults.neverBoots = false;
  });
}
