/** A node lab with the built-in mover on it, through the same adapters as in a daemon, and the figures of its moves. */
import { pino } from 'pino';
import { connectKubernetes } from '../../src/adapters/kubernetes/connect.ts';
import type { KubernetesCluster } from '../../src/adapters/kubernetes/kubernetes-cluster.ts';
import { SecretStore } from '../../src/adapters/system/secrets.ts';
import { SystemClock, SystemRandom } from '../../src/adapters/system/system-clock.ts';
import { RealConnections } from '../../src/daemon/connections.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { ClientProcess } from '../../src/lab/nodes/clients/client-process.ts';
import type { PodNetwork } from '../../src/lab/nodes/pod-network.ts';
import { CriuMover } from '../../src/movers/criu/criu-mover.ts';
import type { Bmc } from '../../src/ports/bmc.ts';
import type { Assessment, Detection, MoveOrder, MoveProgress } from '../../src/ports/movers.ts';
import type { InventoryServer } from '../../src/spec/inventory.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { TestLab } from './harness.ts';
import { prepared, prepareKernel } from './installed.ts';
import { figuresOf, reportAfterMove, type MoveFigures } from './figures.ts';
import { leftoversOfMoves } from './traces.ts';

const pauseMs = 200;
/** A move of 500 MB takes seconds; what takes longer than this hangs. */
const moveMs = 180_000;

/** The end of a move. */
export type MoveEnd = Extract<MoveProgress, { kind: 'done' | 'rolledBack' | 'failed' }>;

export interface MoveWatch {
  /** Called once with the order, when the move begins; meanwhile the move goes on. */
  readonly onBegin?: ((order: () => MoveOrder) => void) | undefined;
}

const minuteMs = 60_000;

/** One lab for all tests of a file, emptied after each. */
export function withMovingLab(onStart: (lab: MovingLab) => void, podNetwork?: PodNetwork): void {
  let lab: MovingLab | undefined;
  // The root file system may have to be built first.
  beforeAll(async () => {
    lab = await MovingLab.start(podNetwork);
    onStart(lab);
  }, 20 * minuteMs);
  afterEach(async () => {
    await lab?.test.clear();
  }, 3 * minuteMs);
  afterAll(async () => {
    await lab?.stop();
  }, minuteMs);
}

export class MovingLab {
  readonly test: TestLab;
  readonly cluster: KubernetesCluster;
  #connections: RealConnections;
  #mover: CriuMover;
  #moves = 0;
  /** Ends the step that is under way, as the end of its process would. */
  #daemon = new AbortController();

  private constructor(test: TestLab, cluster: KubernetesCluster) {
    this.test = test;
    this.cluster = cluster;
    this.#connections = this.#newConnections();
    this.#mover = this.#newMover();
  }

  static async start(podNetwork: PodNetwork = 'lab-ipam'): Promise<MovingLab> {
    const test = await TestLab.start({ ...prepared, podNetwork });
    try {
      await prepareKernel(test);
      const { kubeconfigFile } = test.lab.kubernetes;
      const [clock, random] = [new SystemClock(), new SystemRandom()];
      const logger = pino({ level: 'silent' });
      return new MovingLab(
        test,
        await connectKubernetes({ kubeconfig: kubeconfigFile, context: 'admin', clock, random, logger }),
      );
    } catch (error) {
      await test.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    this.#connections.close();
    await this.test.stop();
  }

  /** The daemon ends at once and another one starts: nothing is left but the order. */
  restartDaemon(): void {
    this.#daemon.abort(new Error('the daemon was killed'));
    this.#daemon = new AbortController();
    this.#connections.close();
    this.#connections = this.#newConnections();
    this.#mover = this.#newMover();
  }

  async detect(): Promise<Detection> {
    return await this.#mover.detect(AbortSignal.timeout(moveMs));
  }

  async assess(name: string, target: string): Promise<Assessment> {
    const signal = AbortSignal.timeout(moveMs);
    // What it knows of the servers is older than the pod.
    this.#mover = this.#newMover();
    await this.#mover.detect(signal);
    const pod = await this.cluster.readPod({ namespace: 'default', name }, signal);
    if (!pod) throw new Error(`no pod ${name}`);
    return this.#mover.assess(pod, await this.cluster.view(signal), target);
  }

  other(node: string): string {
    return node === 'node-a' ? 'node-b' : 'node-a';
  }

  /** To the other server, to the end. */
  async move(name: string, watch: MoveWatch = {}): Promise<{ order: MoveOrder; end: MoveEnd }> {
    const pod = await this.test.ready(name);
    const source = pod.spec.nodeName ?? '';
    const target = this.other(source);
    const assessment = await this.assess(name, target);
    if (assessment.kind !== 'able') throw new Error(`${name} cannot be moved: ${JSON.stringify(assessment)}`);
    this.#moves += 1;
    let order: MoveOrder = {
      id: `pitcrew-move-${this.#moves}`,
      pod: { namespace: 'default', name, uid: pod.metadata.uid },
      source,
      target,
      promise: assessment.promise,
      startedMs: Date.now(),
      timeoutMs: assessment.timeoutMs,
      hasBegun: false,
      isCommitted: false,
    };
    const commit = async (): Promise<void> => {
      order = { ...order, isCommitted: true };
      return Promise.resolve();
    };
    const signal = AbortSignal.timeout(moveMs);
    watch.onBegin?.(() => order);
    const trace: string[] = [];
    while (!signal.aborted) {
      const last = await this.#step(order, commit, signal);
      if ('kind' in last && (last.kind === 'done' || last.kind === 'rolledBack' || last.kind === 'failed')) {
        // An assertion about its kind would not say why.
        if (last.kind !== 'done') console.log(`${name}: ${JSON.stringify(last)}`);
        return { order, end: last };
      }
      const text = JSON.stringify(last);
      // Names of jobs carry the time.
      const isSame = text.replaceAll(/-[a-z0-9]{8}\b/g, '') === trace.at(-1)?.replaceAll(/-[a-z0-9]{8}\b/g, '');
      if (!isSame) trace.push(text);
      if ('kind' in last) order = { ...order, hasBegun: true };
      await sleep(pauseMs);
    }
    throw new Error(`the move of ${name} does not end:\n${trace.join('\n')}`);
  }

  /** Where the world did not let it, a step is tried again, as the engine does, until the move's time is over. */
  async #step(
    order: MoveOrder,
    commit: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<MoveProgress | { readonly error: string }> {
    const both = AbortSignal.any([signal, this.#daemon.signal]);
    try {
      return await this.#mover.advance(order, { view: await this.cluster.view(signal), signal: both, commit });
    } catch (error) {
      const mayPass = both.aborted || (error instanceof MaintenanceError && error.disposition !== 'halt');
      if (!mayPass) throw error;
      return { error: String(error) };
    }
  }

  /** What moves have left on servers and cluster; empty is right. */
  async leftovers(): Promise<string[]> {
    return await leftoversOfMoves(this.test.lab);
  }

  #newConnections(): RealConnections {
    const { knownHostsFile } = this.test.lab;
    const [clock, random] = [new SystemClock(), new SystemRandom()];
    return new RealConnections({ secrets: new SecretStore(), clock, random, knownHostsFile });
  }

  #newMover(): CriuMover {
    const servers = (): Promise<readonly InventoryServer[]> => Promise.resolve(this.#inventory());
    const { cluster } = this;
    return new CriuMover({
      cluster,
      objects: cluster.objects,
      connections: { shellOf: (server) => this.#connections.shellOf(server), bmcOf: ({ name }) => this.#bmcOf(name) },
      clock: new SystemClock(),
      servers,
    });
  }

  /** Knows what a BMC knows of its server, and can do nothing to it. */
  #bmcOf(name: string): Bmc {
    const { lab } = this.test;
    const never = (): never => {
      throw new Error('a mover asks a BMC about the power, and for nothing else');
    };
    return {
      readPower: () => Promise.resolve(lab.servers.get(name)?.isOn === true ? 'on' : 'off'),
      requestPower: never,
      readSel: never,
      readSensors: never,
      setBootDevice: never,
    };
  }

  /** As a daemon does from time to time; all moves of this lab are over. */
  async sweep(): Promise<void> {
    const over = new Map(Array.from({ length: this.#moves }, (_, n) => [`pitcrew-move-${n + 1}`, 'over'] as const));
    await this.#mover.sweep(() => Promise.resolve(over), AbortSignal.timeout(moveMs));
  }

  #inventory(): InventoryServer[] {
    const { lab } = this.test;
    return [...lab.servers.keys()].map((name) => ({
      name,
      node: name,
      address: '127.0.0.1',
      site: 'lab',
      labels: { 'pitcrew.dev/live-migration': 'criu' },
      bmc: { address: '127.0.0.1', port: 623 },
      ssh: {
        user: 'root',
        port: lab.sshPorts.get(name),
        privateKey: { file: lab.privateKeyFile },
        hostKey: 'known_hosts',
      },
    })) as unknown as InventoryServer[];
  }
}

/** There and back, on one connection: the same client from beginning to end, so that nothing that breaks goes unseen. */
export async function moveThereAndBack(
  lab: MovingLab,
  name: string,
  client: ClientProcess,
  count: number,
): Promise<MoveFigures[]> {
  const figures: MoveFigures[] = [];
  const first = await lab.test.ready(name);
  for (let number = 1; number <= count; number += 1) {
    const before = await lab.test.ready(name);
    await client.report();
    const { end } = await lab.move(name);
    if (end.kind !== 'done') throw new Error(`move ${number} of ${name} ${end.kind}: ${end.because}`);
    const after = await lab.test.ready(name, before.metadata.uid);
    const report = await reportAfterMove(client);
    const isSame = after.status.podIP === first.status.podIP && after.spec.nodeName !== before.spec.nodeName;
    if (!isSame) throw new Error(`after move ${number} ${name} is ${after.status.podIP} on ${after.spec.nodeName}`);
    if (report.faults.length > 0)
      throw new Error(`after move ${number} a client of ${name} says: ${report.faults.join('; ')}`);
    figures.push(figuresOf(end, report));
  }
  return figures;
}
