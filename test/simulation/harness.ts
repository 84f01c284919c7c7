/**
 * The whole engine on the simulated data centre, in virtual time, with daemons that can be killed at any call.
 *
 * A killed daemon is one whose every port call hangs for ever: it can neither act nor write any more, as after
 * `kill -9`. What it did before stays done, whether or not it got to know.
 */
import { Commands } from '../../src/engine/commands.ts';
import { Engine } from '../../src/engine/engine.ts';
import { RunLog } from '../../src/engine/run-log.ts';
import { createOperations } from '../../src/engine/run-operations.ts';
import type { Operations } from '../../src/engine/operations.ts';
import { Scheduler } from '../../src/engine/scheduler.ts';
import type { EngineWorld } from '../../src/engine/world.ts';
import { CastAiMover } from '../../src/movers/castai/castai-mover.ts';
import { EvictMover } from '../../src/movers/evict.ts';
import { KubeVirtMover } from '../../src/movers/kubevirt/kubevirt-mover.ts';
import { PaguroMover } from '../../src/movers/paguro/paguro-mover.ts';
import { SurgeMover } from '../../src/movers/surge.ts';
import type { Bmc } from '../../src/ports/bmc.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Cluster } from '../../src/ports/cluster.ts';
import type { DocumentSource, Documents } from '../../src/ports/documents.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Leases } from '../../src/ports/leases.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { ApiObjects } from '../../src/ports/objects.ts';
import type { Shell } from '../../src/ports/shell.ts';
import { SimulatedBmc } from '../../src/simulator/bmc.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { MemoryJournal } from '../../src/simulator/memory-journal.ts';
import { LeaseTable, MemoryLeases } from '../../src/simulator/memory-leases.ts';
import { MemoryWakeUps } from '../../src/simulator/memory-wake-ups.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { SimulatedObjects } from '../../src/simulator/objects.ts';
import { SimulatedShell } from '../../src/simulator/shell.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { createWorld, type World, type WorldServer } from '../../src/simulator/world.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { InventoryServer } from '../../src/spec/inventory.ts';
import { MaintenancePlan } from '../../src/spec/plan.ts';
import { Playbook } from '../../src/spec/playbook.ts';
import { runServer } from '../workflow/fixtures.ts';

const startMs = Date.UTC(2026, 10, 22, 22, 0, 0);
const leaseTtlMs = 15_000;

/** The ports as one daemon gets them; a test may put something in between. */
export interface Doors {
  cluster: Cluster;
  objects: ApiObjects;
  journal: Journal;
  leases: Leases;
  documents: DocumentSource;
  bmcOf(server: string): Bmc;
  shellOf(server: string): Shell;
}

export interface Shape {
  readonly seed: number;
  readonly servers: readonly WorldServer[];
  readonly workloads: readonly WorldWorkload[];
  readonly plan: MaintenancePlan;
  readonly playbook: Playbook;
  /** Put between a daemon and the world; by name of the daemon. */
  readonly tamper?: (daemon: string, doors: Doors) => Doors;
  readonly clusterFaults?: ConstructorParameters<typeof SimulatedCluster>[1];
  /** Movers of the test's own, beside those that the daemon has. */
  readonly movers?: (world: World, standard: EngineWorld['movers']) => EngineWorld['movers'];
  /** How often daemons look after runs and windows; long where weeks have to pass. */
  readonly sweepMs?: number;
  /** How far a daemon's clock is from the true time. */
  readonly clockErrorMs?: (daemon: string) => number;
}

export interface Daemon {
  readonly name: string;
  readonly operations: Operations;
  readonly engine: Engine;
  /** Calls made through its ports so far. */
  calls(): number;
  kill(): void;
  isKilled(): boolean;
}

/** Dies at the `call`-th call (of this method, or of any), just before its effect or just after it. */
export interface KillAt {
  readonly call: number;
  readonly effect: 'before' | 'after';
  readonly method?: string;
}

/** What was said at warn and error: an error is a bug in every simulation. */
export interface LogLine {
  readonly daemon: string;
  readonly level: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class Simulation {
  readonly clock = new VirtualClock(startMs);
  readonly random: SeededRandom;
  readonly world: World;
  readonly table = new LeaseTable(this.clock);
  readonly journal = new MemoryJournal({ leases: this.table });
  readonly wakeUps: MemoryWakeUps;
  readonly log: LogLine[] = [];
  readonly daemons: Daemon[] = [];
  readonly inventory: readonly InventoryServer[];
  /** The last thing that any run's stream says is its end; of two runs at once it would tell only of one. */
  hasEnded = false;
  readonly #shape: Shape;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.random = new SeededRandom(shape.seed);
    this.world = createWorld({
      servers: shape.servers,
      workloads: shape.workloads,
      clock: this.clock,
      random: new SeededRandom(shape.seed + 1),
    });
    this.wakeUps = new MemoryWakeUps({ clock: this.clock, random: new SeededRandom(shape.seed + 2) });
    let seen = 0;
    this.journal.onAppend(() => {
      const fresh = this.journal.snapshot(seen);
      seen += fresh.length;
      const last = fresh.findLast(({ stream }) => stream.server === undefined);
      if (last) this.hasEnded = last.entry.event.kind === 'runEnded';
    });
    this.inventory = shape.servers.map((server) => ({
      ...runServer(server.name),
      labels: { role: 'worker', ...server.labels },
    }));
  }

  /** A daemon on the same installation, which may have to die at a certain call of its ports. */
  async startDaemon(name: string, killAt?: KillAt): Promise<Daemon> {
    const { world, log, documents, operations, life, die } = this.#assemble(name, killAt);
    const { plan, sweepMs } = this.#shape;
    const engine = new Engine(world, log, { sites: ['default'], sweepMs: sweepMs ?? 10_000 });
    await engine.start();
    if (plan.spec.schedule) {
      const commands = new Commands(world, log, documents);
      new Scheduler({ world, log, documents, commands, tickMs: sweepMs }).start();
    }
    const daemon = { name, operations, engine, calls: () => life.calls, kill: die, isKilled: () => life.killed };
    this.daemons.push(daemon);
    return daemon;
  }

  /** What people ask, by way of a daemon that only listens to them: it is never killed, and does no work itself. */
  startConsole(name: string): Operations {
    return this.#assemble(name, undefined).operations;
  }

  #assemble(name: string, killAt: KillAt | undefined): Assembled {
    const life: Life = { killed: false, calls: 0, counted: 0 };
    const die = (): void => {
      if (life.killed) return;
      life.killed = true;
      this.table.forget(name, leaseTtlMs);
      for (const kill of killWork) kill(leaseTtlMs);
    };
    const mortal = <T extends object>(port: T): T => mortalDoor(port, life, killAt, die);
    const doors = this.#doors(name);
    const { random } = this;
    const logger = this.#logger(name);
    const cluster = mortal(doors.cluster);
    const killWork: ((redeliverAfterMs: number) => void)[] = [];
    const wakeUps = {
      wake: (...args: Parameters<MemoryWakeUps['wake']>) => this.wakeUps.wake(...args),
      work: async (...args: Parameters<MemoryWakeUps['work']>) => {
        const work = await this.wakeUps.work(...args);
        killWork.push((ms) => work.kill(ms));
        return work;
      },
    };
    const bmcs = new Map(this.inventory.map(({ name: server }) => [server, mortal(doors.bmcOf(server))]));
    const shells = new Map(this.inventory.map(({ name: server }) => [server, mortal(doors.shellOf(server))]));
    const movers = moversOf(cluster, mortal(doors.objects), this.clock);
    const world: EngineWorld = {
      clock: mortal(this.#clockOf(name)),
      random,
      logger,
      cluster,
      connections: {
        bmcOf: ({ name: server }) => mustHave(bmcs.get(server)),
        shellOf: ({ name: server }) => mustHave(shells.get(server)),
      },
      movers: this.#shape.movers?.(this.world, movers) ?? movers,
      journal: mortal(doors.journal),
      leases: mortal(doors.leases),
      wakeUps: mortal(wakeUps),
    };
    const log = new RunLog(world.journal, world.clock);
    const { documents } = doors;
    const operations = createOperations({ world, log, documents, describeStore: () => Promise.resolve('memory') });
    return { world, log, documents, operations, life, die };
  }

  /** Lets virtual time pass until this has settled. */
  async settle<T>(work: Promise<T>, limitMs = 24 * 3_600_000): Promise<T> {
    let isSettled = false;
    const note = (): void => void (isSettled = true);
    work.then(note, note);
    const how = await this.clock.run(() => isSettled, this.clock.nowMs() + limitMs);
    if (!isSettled) throw new Error(`nothing more happens (${how})`);
    return work;
  }

  /** Starts the plan and lets time pass until the run has ended, or the limit is over. */
  async startRun(daemon: { readonly operations: Operations }): Promise<string> {
    return (await this.settle(daemon.operations.start({ plan: 'weekly', by: 'test' }))).runId;
  }

  async runToEnd(limitMs = 48 * 3_600_000): Promise<'done' | 'idle' | 'late'> {
    return this.clock.run(() => this.hasEnded, this.clock.nowMs() + limitMs);
  }

  /** Wrong by as much as the test says just now. */
  #clockOf(daemon: string): Clock {
    const { clock } = this;
    const { clockErrorMs } = this.#shape;
    if (!clockErrorMs) return clock;
    return {
      nowMs: () => clock.nowMs() + clockErrorMs(daemon),
      sleep: (durationMs, signal) => clock.sleep(durationMs, signal),
    };
  }

  #doors(name: string): Doors {
    const { world, clock } = this;
    const cluster = new SimulatedCluster(world.api, this.#shape.clusterFaults);
    const doors: Doors = {
      cluster,
      objects: new SimulatedObjects(world.api, { faults: cluster.faults }),
      journal: this.journal,
      leases: new MemoryLeases(this.table, name),
      documents: { read: () => Promise.resolve(this.#documents()) },
      bmcOf: (server) => new SimulatedBmc(mustHave(world.machines.get(server)), clock),
      shellOf: (server) => new SimulatedShell(mustHave(world.machines.get(server)), clock),
    };
    return this.#shape.tamper?.(name, doors) ?? doors;
  }

  #documents(): Documents {
    const { plan, playbook } = this.#shape;
    return { plans: [plan], playbooks: [playbook], servers: this.inventory, digest: 'simulated' };
  }

  #logger(daemon: string): Logger {
    const line =
      (level: string) =>
      (fields: Readonly<Record<string, unknown>>, text: string): void => {
        this.log.push({ daemon, level, text, fields });
      };
    return { debug: () => undefined, info: () => undefined, warn: line('warn'), error: line('error') };
  }
}

/** As the daemon has them: which of them are installed, they find out. */
function moversOf(cluster: Cluster, objects: ApiObjects, clock: Clock): EngineWorld['movers'] {
  const tools = { cluster, objects, clock };
  return {
    kubevirt: new KubeVirtMover(tools),
    paguro: new PaguroMover(tools),
    castai: new CastAiMover(tools),
    surge: new SurgeMover(cluster),
    evict: new EvictMover(cluster),
  };
}

interface Assembled {
  readonly world: EngineWorld;
  readonly log: RunLog;
  readonly documents: DocumentSource;
  readonly operations: Operations;
  readonly life: Life;
  readonly die: () => void;
}

interface Life {
  killed: boolean;
  calls: number;
  /** Calls that count for the kill. */
  counted: number;
}

/** Counts calls; kills before or after the effect of the chosen one; hangs for ever once killed. */
function mortalDoor<T extends object>(port: T, life: Life, killAt: KillAt | undefined, die: () => void): T {
  const forever = new Promise<never>(() => undefined);
  return new Proxy(port, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (property === 'nowMs' || property === 'onChange' || property === 'onAppend')
          return Reflect.apply(member, target, args);
        if (life.killed) return forever;
        life.calls += 1;
        if (killAt && (killAt.method === undefined || killAt.method === property)) life.counted += 1;
        const isFatal =
          killAt !== undefined && killAt.call === life.counted && (killAt.method ?? property) === property;
        if (isFatal && killAt.effect === 'before') {
          die();
          return forever;
        }
        const result: unknown = Reflect.apply(member, target, args);
        if (!(result instanceof Promise)) return result;
        return result.then(
          (value: unknown) => {
            if (isFatal) die();
            return life.killed ? forever : value;
          },
          (error: unknown) => {
            if (isFatal) die();
            if (life.killed) return forever;
            throw error;
          },
        );
      };
    },
  });
}

export function mustHave<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the test asked for something that is not there');
  return value;
}

export function plan(spec: Record<string, unknown> = {}): MaintenancePlan {
  return MaintenancePlan.parse({
    apiVersion: 'pitcrew.dev/v1',
    kind: 'MaintenancePlan',
    metadata: { name: 'weekly' },
    spec: {
      playbook: 'kernel',
      targets: { matchLabels: { role: 'worker' } },
      evacuation: { prefer: ['surge', 'evict'], localData: 'lose' },
      ...spec,
    },
  });
}

export function playbook(spec: Record<string, unknown> = {}): Playbook {
  return Playbook.parse({
    apiVersion: 'pitcrew.dev/v1',
    kind: 'Playbook',
    metadata: { name: 'kernel' },
    spec: {
      prepare: [{ ssh: { run: 'apt-get -y --download-only install linux-image-amd64' } }],
      service: [
        { ssh: { run: 'apt-get -y install linux-image-amd64' } },
        { reboot: { timeout: '5m', expect: { kernel: '${newest}' } } },
      ],
      verify: [
        { kernel: { is: '${newest}' } },
        { units: { failed: 0 } },
        { sel: { newCritical: 0 } },
        { sensors: 'ok' },
      ],
      ...spec,
    },
  });
}
