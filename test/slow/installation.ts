/**
 * A whole installation for the slow tests: the lab's data centre on the wire, documents, and real daemons and command
 * lines beside it as processes of their own, all in one temporary folder.
 *
 * Stopping it proves that nothing of it is left; that counts as a failure of the test, as anything else does.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { TestContext } from 'vitest';
import { stringify } from 'yaml';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import type { ApiClient } from '../../src/api/client.ts';
import { startLab, type Lab } from '../../src/lab/lab.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { RunView } from '../../src/workflow/run-view.ts';
import { Daemon, pitcrew, type Ended } from './daemon.ts';
import { processesLeftIn } from './processes.ts';

export interface InstallationOptions {
  readonly servers: readonly WorldServer[];
  readonly workloads?: readonly WorldWorkload[];
  /** Into the plan's `spec`, over what is there. */
  readonly plan?: Readonly<Record<string, unknown>>;
  /** For each rung of the reboot ladder. */
  readonly rungTimeout?: string;
  readonly ladder?: readonly string[];
  readonly seed?: number;
}

export interface DaemonStart {
  /** Of its data folder; the same name again is the same installation after a crash. */
  readonly name?: string;
  readonly arguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly documents?: string;
  /** Words that say where the documents come from, instead of the folders. */
  readonly source?: readonly string[];
  readonly kubeconfig?: string;
  readonly knownHosts?: string;
}

export const planName = 'patch';
const projectRoot = path.join(import.meta.dirname, '../..');

/** Servers that are quick to boot, called node-1, node-2, … */
export function quickServers(count: number, special: Readonly<Record<string, Partial<WorldServer>>> = {}) {
  return Array.from({ length: count }, (_, index): WorldServer => {
    const name = `node-${index + 1}`;
    return {
      name,
      kernel: '6.12.101+deb13-amd64',
      updatedKernel: '6.12.107+deb13-amd64',
      bootMs: 1_500,
      shutdownMs: 300,
      ...special[name],
    };
  });
}

/** Pods that are quick to come and go: some to evict, some with a budget and a volume, some that stay. */
export const quickWorkloads: readonly WorldWorkload[] = [
  {
    kind: 'deployment',
    name: 'web',
    namespace: 'shop',
    replicas: 6,
    gracePeriodSeconds: 1,
    budget: { minAvailable: 4 },
  },
  {
    kind: 'statefulSet',
    name: 'orders',
    namespace: 'shop',
    replicas: 2,
    gracePeriodSeconds: 1,
    volumeSize: '1Gi',
    budget: { minAvailable: 1 },
  },
  { kind: 'daemonSet', name: 'exporter', namespace: 'monitoring' },
];

const quickTimes = {
  kubeletStartMs: 300,
  podStartMs: 200,
  podReadyMs: 300,
  podStopMs: 200,
  attachMs: 100,
  detachMs: 300,
};

export class Installation {
  readonly folder: string;
  readonly lab: Lab;
  readonly documents: string;
  readonly daemons: Daemon[] = [];
  readonly #stops: (() => Promise<unknown>)[] = [];
  #isStopped = false;

  private constructor(folder: string, lab: Lab, documents: string) {
    this.folder = folder;
    this.lab = lab;
    this.documents = documents;
  }

  static async start(options: InstallationOptions): Promise<Installation> {
    const folder = await mkdtemp(path.join(tmpdir(), 'pitcrew-slow-'));
    try {
      const documents = path.join(folder, 'documents');
      await writeDocuments(documents, options);
      const lab = await startLab({
        folder: path.join(folder, 'lab'),
        servers: options.servers,
        workloads: options.workloads ?? quickWorkloads,
        clock: new SystemClock(),
        random: new SeededRandom(options.seed ?? 1),
        linePauseMs: 1,
        times: quickTimes,
      });
      return new Installation(folder, lab, documents);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** For one test: stopped when it ends, also when it fails; then the end of every log is shown. */
  static async for(context: TestContext, options: InstallationOptions): Promise<Installation> {
    const installation = await Installation.start(options);
    context.onTestFinished(async () => {
      if (context.task.result?.state === 'fail') await installation.#showLogs();
      await installation.stop();
    });
    return installation;
  }

  dataOf(name = 'data'): string {
    return path.join(this.folder, name);
  }

  /** Starts the process and waits for nothing. */
  spawnDaemon(start: DaemonStart = {}): Daemon {
    const { lab, documents, folder } = this;
    const words = [...(start.source ?? ['--documents', start.documents ?? documents, lab.inventoryFolder])];
    words.push('--kubeconfig', start.kubeconfig ?? lab.kubeconfigFile);
    words.push('--known-hosts', start.knownHosts ?? lab.knownHostsFile, ...(start.arguments ?? []));
    const logFile = path.join(folder, `daemon-${this.daemons.length + 1}.log`);
    const daemon = new Daemon({
      cwd: folder,
      data: this.dataOf(start.name),
      logFile,
      arguments: words,
      env: start.env,
    });
    this.daemons.push(daemon);
    return daemon;
  }

  async startDaemon(start: DaemonStart = {}): Promise<Daemon> {
    const daemon = this.spawnDaemon(start);
    await daemon.ready();
    return daemon;
  }

  /** The command line of a person who sits beside the daemon. */
  pitcrew(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> {
    return pitcrew(['--data', this.dataOf(), ...words], { cwd: this.folder, env });
  }

  async #showLogs(): Promise<void> {
    for (const daemon of this.daemons) {
      console.log(`── ${daemon.logFile}\n${(await daemon.log().catch(() => '')).slice(-4_000)}`);
    }
  }

  /** Something else that is to be taken down before the lab, last first. */
  onStop(stop: () => Promise<unknown>): void {
    this.#stops.push(stop);
  }

  /** A connection of our own to the Redis that a daemon has started. */
  async redis(name?: string): Promise<Redis> {
    const text = await readFile(path.join(this.dataOf(name), 'redis', 'address.json'), 'utf8');
    const { at, password } = JSON.parse(text) as {
      at: { path?: string; host?: string; port?: number };
      password: string;
    };
    const where = at.path === undefined ? { host: at.host, port: at.port } : { path: at.path };
    const redis = new Redis({ ...(where as { path: string }), password, retryStrategy: null, maxRetriesPerRequest: 0 });
    redis.on('error', () => undefined);
    this.onStop(async () => redis.disconnect());
    return redis;
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    const failures: string[] = [];
    for (const daemon of this.daemons) {
      if (!(await daemon.stop())) failures.push(`daemon ${daemon.pid} did not end by itself`);
    }
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      await stop().catch((error: unknown) => failures.push(String(error)));
    }
    await this.lab.stop().catch((error: unknown) => failures.push(String(error)));
    for (const { pid, arguments: words } of await processesLeftIn(this.folder, 5_000)) {
      failures.push(`process ${pid} is left: ${words.join(' ')}`);
      process.kill(pid, 'SIGKILL');
    }
    if (process.env['PITCREW_KEEP'] === undefined) await rm(this.folder, { recursive: true, force: true });
    if (failures.length > 0) throw new Error(failures.join('\n'));
  }

  /** What must never happen twice, and what must not be left behind, in one object to compare. */
  traces(): WorldTraces {
    const { machines, cordons, api, evictionsByUid } = this.lab.world;
    const nodes = api.store.list(kinds.nodes);
    return {
      boots: Object.fromEntries([...machines].map(([name, { boots }]) => [name, boots])),
      powerCycles: Object.fromEntries([...machines].map(([name, { powerCycles }]) => [name, powerCycles])),
      cordons: Object.fromEntries(
        nodes.map(({ metadata: { name } }) => [name, cordons.of(name).map(({ kind }) => kind)]),
      ),
      cordonedNow: nodes.filter(({ spec }) => spec['unschedulable'] === true).map(({ metadata: { name } }) => name),
      evictions: [...evictionsByUid.values()].reduce((sum, count) => sum + count, 0),
      evictedTwice: [...evictionsByUid].filter(([, count]) => count > 1).map(([uid]) => uid),
    };
  }
}

export interface WorldTraces {
  readonly boots: Readonly<Record<string, number>>;
  readonly powerCycles: Readonly<Record<string, number>>;
  readonly cordons: Readonly<Record<string, readonly string[]>>;
  readonly cordonedNow: readonly string[];
  readonly evictions: number;
  readonly evictedTwice: readonly string[];
}

/** Asks until the answer is not `undefined`; an error is an answer for later, too, because daemons come and go here. */
export async function until<T>(what: string, timeoutMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let last: unknown = 'nothing yet';
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs / 1_000} s: ${what}`, { cause: last });
    await sleep(100);
  }
}

const endings: readonly string[] = ['done', 'undone', 'halted', 'skipped'];

export async function runEnded(client: ApiClient, runId: string, timeoutMs: number): Promise<RunView> {
  return until(`the end of run ${runId}`, timeoutMs, async () => {
    const view = await client.run(runId);
    return endings.includes(view.status) ? view : undefined;
  });
}

/** The project's own playbook with less patience, and a plan for all servers of the lab. */
async function writeDocuments(folder: string, options: InstallationOptions): Promise<void> {
  const { plan = {}, rungTimeout = '6s', ladder = ['ssh', 'bmc-soft', 'bmc-cycle'] } = options;
  await mkdir(folder, { recursive: true });
  const playbook = await readFile(path.join(projectRoot, 'playbooks', 'kernel-update.yaml'), 'utf8');
  const reboot = 'ladder: [ssh, bmc-soft, bmc-cycle]\n        timeout: 20m';
  if (!playbook.includes(reboot)) throw new Error('the playbook reboots in another way by now');
  const quick = playbook.replace(reboot, `ladder: [${ladder.join(', ')}]\n        timeout: ${rungTimeout}`);
  await writeFile(path.join(folder, 'kernel-update.yaml'), quick);
  const spec = {
    playbook: 'kernel-update',
    targets: { matchLabels: { role: 'worker' } },
    rollout: { maxUnavailable: 2 },
    evacuation: { prefer: ['surge', 'evict'], localData: 'lose', timeout: '5m' },
    ...plan,
  };
  await writeFile(path.join(folder, 'plan.yaml'), planText(planName, spec));
}

export function planText(name: string, spec: Readonly<Record<string, unknown>>): string {
  return stringify({ apiVersion: 'pitcrew.dev/v1', kind: 'MaintenancePlan', metadata: { name }, spec });
}
