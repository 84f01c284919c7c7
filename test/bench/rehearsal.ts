/** A rehearsal as a person starts it: a fleet in a snapshot, and the whole command on it, from its start to its end. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Rehearsal } from '../../src/rehearsal/result.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import { fleet, racks } from '../rehearsal/fleet.ts';

const servers = 100;
const podsPerServer = 28;
const replicas = 10;

/** A fifth of it keeps data on volumes, half has a budget of two; and two daemons on every server. */
function workloads(): WorldWorkload[] {
  const apps = Array.from({ length: (servers * podsPerServer) / replicas }, (_, index): WorldWorkload => {
    const common = { name: `app-${index}`, namespace: `team-${index % 20}`, replicas, cpu: '200m', memory: '512Mi' };
    const budget = index % 2 === 0 ? { budget: { maxUnavailable: 2 } } : {};
    if (index % 5 > 0) return { kind: 'deployment', ...common, ...budget };
    return { kind: 'statefulSet', ...common, ...budget, volumeSize: '10Gi' };
  });
  return [
    ...apps,
    { kind: 'daemonSet', name: 'exporter', namespace: 'monitoring' },
    { kind: 'daemonSet', name: 'network', namespace: 'kube-system' },
  ];
}

const plan = {
  apiVersion: 'pitcrew.dev/v1',
  kind: 'MaintenancePlan',
  metadata: { name: 'bench' },
  spec: {
    playbook: 'kernel-update',
    targets: { matchLabels: { role: 'worker' } },
    schedule: { windows: [{ opens: '0 22 * * SAT', lasts: '3h', timeZone: 'Europe/Berlin' }], estimate: '15m' },
    rollout: {
      maxUnavailable: '10%',
      waves: [{ servers: 1, soak: '30m', approval: 'required' }, { servers: '5%', soak: '10m' }, { servers: '100%' }],
    },
    evacuation: { prefer: ['surge', 'evict'], localData: 'lose' },
  },
};

export interface RehearsalMeasured {
  readonly servers: number;
  readonly pods: number;
  readonly podsMoved: number;
  /** Of each try, the command as a whole. */
  readonly wallSeconds: readonly number[];
}

/** @throws where the run that is rehearsed does not come to its end */
export async function measureRehearsal(tries: number): Promise<RehearsalMeasured> {
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-bench-'));
  try {
    const { snapshot } = await fleet({ servers: racks(servers), workloads: workloads() });
    const [file, document] = [join(folder, 'fleet.json'), join(folder, 'plan.yaml')];
    await writeFile(file, JSON.stringify(snapshot));
    await writeFile(document, JSON.stringify(plan));
    const playbook = join(import.meta.dirname, '../../playbooks/kernel-update.yaml');
    const main = join(import.meta.dirname, '../../src/main.ts');
    const line = ['rehearse', 'bench', '--snapshot', file, '--documents', document, playbook, '-o', 'json'];
    const wallSeconds: number[] = [];
    let podsMoved = 0;
    for (let done = 0; done < tries; done += 1) {
      const beganMs = performance.now();
      const { stdout } = await promisify(execFile)(process.execPath, [main, ...line], { maxBuffer: 64 * 2 ** 20 });
      wallSeconds.push((performance.now() - beganMs) / 1_000);
      const { outcome, reason, podsMoved: moved } = JSON.parse(stdout) as Rehearsal;
      if (outcome !== 'done') throw new Error(`the rehearsal ended ${outcome}: ${reason}`);
      podsMoved = moved;
    }
    return { servers, pods: snapshot.objects.pods.length, podsMoved, wallSeconds };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
