/** What the contract of movers is tried on: a small world in virtual time, one mover, and one pod of a kind that it moves. */
import type { PodView } from '../../src/cluster/pod.ts';
import type { Cluster } from '../../src/ports/cluster.ts';
import type { Assessment, MoveOrder, MoveProgress, MovePromise, PodMover } from '../../src/ports/movers.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { pitcrewUser } from '../../src/simulator/kubernetes/access.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { MigratorFault } from '../../src/simulator/migrators/migrator.ts';
import type { Memories } from '../../src/simulator/migrators/memories.ts';
import { SimulatedObjects } from '../../src/simulator/objects.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';

export interface MoverTools {
  readonly cluster: Cluster;
  readonly objects: SimulatedObjects;
  readonly clock: VirtualClock;
  readonly world: World;
}

export interface Installed {
  /** A new mover, as a daemon has one that has just been started. */
  mover(): PodMover;
  /** The one that is to be moved; it runs on server `a`. */
  pod(): { readonly namespace: string; readonly name: string };
  readonly memories?: Memories | undefined;
  /** Migrations of any name that are not over. */
  unfinished?(): number;
}

export interface MoverKind {
  readonly name: string;
  readonly isLive: boolean;
  readonly promise: MovePromise;
  readonly workloads: readonly WorldWorkload[];
  /** The ways to go wrong that it can show. */
  readonly faults: readonly MigratorFault[];
  /** A move that copies can still be called back. */
  readonly cancelsCopying: boolean;
  install(tools: MoverTools, faultOf: () => MigratorFault): Installed;
  /** Without what the mover needs. */
  bare?(tools: MoverTools): PodMover;
}

export const never = new AbortController().signal;
const stepMs = 250;

export class MoverBench {
  readonly clock = new VirtualClock(Date.UTC(2026, 10, 22, 22));
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly objects: SimulatedObjects;
  readonly installed: Installed | undefined;
  readonly kind: MoverKind;
  fault: MigratorFault = 'none';
  commits = 0;
  /** The most running copies of one memory that were ever seen at once. */
  copies = 0;

  constructor(kind: MoverKind, isInstalled = true) {
    this.kind = kind;
    this.world = createWorld({
      servers: ['a', 'b', 'c'].map((name) => ({ name, cpu: '16', memory: '64Gi' })),
      workloads: kind.workloads,
      clock: this.clock,
      random: new SeededRandom(3),
    });
    this.cluster = new SimulatedCluster(this.world.api);
    this.objects = new SimulatedObjects(this.world.api);
    this.world.api.store.subscribe(() => this.#countCopies());
    this.installed = isInstalled ? kind.install(this.tools, () => this.fault) : undefined;
  }

  get tools(): MoverTools {
    const { cluster, objects, clock, world } = this;
    return { cluster, objects, clock, world };
  }

  get must(): Installed {
    if (!this.installed) throw new Error('nothing is installed');
    return this.installed;
  }

  /** Everything is where it was put and Ready. */
  async rest(): Promise<void> {
    await this.clock.run(() => this.world.isAtRest(), this.clock.nowMs() + 600_000);
  }

  async pod(): Promise<PodView> {
    const pod = await this.cluster.readPod(this.must.pod(), never);
    if (!pod) throw new Error('the pod is not there');
    return pod;
  }

  async assess(mover: PodMover, pod: PodView, target?: string): Promise<Assessment> {
    await mover.detect(never);
    return mover.assess(pod, await this.cluster.view(never), target);
  }

  async order(change: Partial<MoveOrder> = {}): Promise<MoveOrder> {
    const pod = await this.pod();
    const { namespace, name, uid } = pod;
    return {
      id: `pitcrew-${name}-0001`,
      pod: { namespace, name, uid },
      source: pod.node,
      target: this.kind.isLive ? 'b' : '',
      promise: this.kind.promise,
      startedMs: this.clock.nowMs(),
      timeoutMs: 600_000,
      hasBegun: false,
      isCommitted: false,
      ...change,
    };
  }

  async advance(order: MoveOrder, mover = this.must.mover()): Promise<MoveProgress> {
    const view = await this.cluster.view(never);
    const commit = (): Promise<void> => {
      this.commits += 1;
      return Promise.resolve();
    };
    return mover.advance(order, { view, signal: never, commit });
  }

  /** Like a daemon does it: again and again, each time by a mover that knows nothing of the time before. */
  async advanceUntil(
    order: MoveOrder,
    isEnough: (progress: MoveProgress) => boolean,
    limitMs = 20 * 60_000,
  ): Promise<MoveProgress> {
    const untilMs = this.clock.nowMs() + limitMs;
    let hasBegun = order.hasBegun;
    for (;;) {
      const progress = await this.advance({ ...order, hasBegun });
      hasBegun = true;
      if (isEnough(progress) || isOver(progress)) return progress;
      if (this.clock.nowMs() >= untilMs) return progress;
      await this.pass(stepMs);
    }
  }

  async pass(durationMs: number): Promise<void> {
    let isAwake = false;
    void this.clock.sleep(durationMs).then(() => (isAwake = true));
    await this.clock.run(() => isAwake);
  }

  forbid(verb: string): void {
    const rules = this.world.api.access.rulesOf(pitcrewUser);
    const without = rules.map((rule) =>
      rule.groups.some((group) => group.includes('.dev') || group.includes('kubevirt') || group.includes('cast.ai'))
        ? { ...rule, verbs: rule.verbs.filter((known) => known !== verb) }
        : rule,
    );
    this.world.api.access.grant(pitcrewUser, without);
  }

  #countCopies(): void {
    const memories = this.installed?.memories;
    if (!memories) return;
    for (const pod of this.world.api.store.list(kinds.pods)) {
      this.copies = Math.max(this.copies, memories.runningCopies(memories.originOf(pod.metadata.uid)).length);
    }
  }
}

export function isOver(progress: MoveProgress): boolean {
  return progress.kind === 'done' || progress.kind === 'rolledBack' || progress.kind === 'failed';
}
