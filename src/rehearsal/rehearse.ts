/**
 * A run, rehearsed: the real engine, with its journal in memory, on the simulated twin of a snapshot, in virtual time.
 *
 * It decides nothing that the engine decides. It gives approvals at once, and touches no server, no cluster and no
 * network: everything that the engine holds on to here is made of objects in this process.
 */
import { downServers } from '../engine/availability.ts';
import { Commands } from '../engine/commands.ts';
import { Engine } from '../engine/engine.ts';
import { RunLog } from '../engine/run-log.ts';
import type { EngineWorld } from '../engine/world.ts';
import { coordinatorSite } from '../engine/world.ts';
import { InvariantError } from '../errors/maintenance-error.ts';
import type { ClusterObjects } from '../cluster/scrub.ts';
import { EvictMover } from '../movers/evict.ts';
import { SurgeMover } from '../movers/surge.ts';
import type { Logger } from '../ports/logger.ts';
import { nextStart, openingsBetween } from '../schedule/schedule.ts';
import { SimulatedBmc } from '../simulator/bmc.ts';
import { SimulatedCluster } from '../simulator/cluster.ts';
import type { Machine } from '../simulator/machine.ts';
import { MemoryJournal } from '../simulator/memory-journal.ts';
import { LeaseTable, MemoryLeases } from '../simulator/memory-leases.ts';
import { MemoryWakeUps } from '../simulator/memory-wake-ups.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { SimulatedShell } from '../simulator/shell.ts';
import { createTwin, type Twin } from '../simulator/twin.ts';
import { VirtualClock } from '../simulator/virtual-clock.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import type { RunState } from '../workflow/run-state.ts';
import { parseFaults, type Faults } from './faults.ts';
import type { Rehearsal } from './result.ts';
import { assumedCommands, expectedKernel, sayCommandTimes, scriptsFor } from './scripts.ts';
import { bootMsOf, sayTimes, shutdownMsOf } from './server-times.ts';
import { rehearsedServer, waitsOfRun } from './timeline.ts';

export interface RehearseInput {
  /** What `start` would write into the journal. */
  readonly definition: RunDefinition;
  readonly objects: ClusterObjects;
  readonly takenMs: number;
  /** As asked for: `rack1-03:reboot`. */
  readonly faults: readonly string[];
  readonly seed: number;
  readonly startMs: number;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: RehearsalProgress) => void) | undefined;
}

export interface RehearsalProgress {
  readonly atMs: number;
  readonly ended: number;
  readonly servers: number;
}

/** Of virtual time: a run that has not ended after this many days is waiting for something that does not come. */
const horizonMs = 30 * 86_400_000;
/** Nothing is lost in the queue of a rehearsal, so nobody has to look after runs often; */
const sweepQuietMs = 10 * 60_000;
/** but where calls to the cluster fail, the next look is what goes on, as soon as that of a daemon. */
const sweepFlakyMs = 5_000;
const progressEvery = 200;
/** More that happens in one moment than any fleet has: something feeds itself. */
const standingTurnsMax = 1_000_000;
/** From being placed to being Ready, and from being asked to being gone; a grace period that is shorter is kept. */
const podTimes = { podStartMs: 1_000, podReadyMs: 4_000, podStopMs: 3_000 };

export async function rehearse(input: RehearseInput): Promise<Rehearsal> {
  const { definition } = input;
  const faults = parseFaults(
    input.faults,
    definition.servers.map((server) => server.name),
  );
  const stage = buildStage(input, faults);
  try {
    const run = await play(input, stage);
    return await tell(input, stage, faults, run);
  } finally {
    stage.twin.stop();
  }
}

interface Stage {
  readonly clock: VirtualClock;
  readonly twin: Twin;
  readonly journal: MemoryJournal;
  readonly world: EngineWorld;
  readonly log: RunLog;
  /** How often unfinished runs are looked after. */
  readonly sweepMs: number;
  /** What was logged as an error: a bug of ours, which no rehearsal may hide. */
  readonly bugs: string[];
}

function buildStage({ definition, objects, seed, startMs }: RehearseInput, faults: Faults): Stage {
  const clock = new VirtualClock(startMs);
  const random = new SeededRandom(seed);
  const nodes = new Map(definition.servers.map((server) => [server.name, server.node]));
  const wanted = expectedKernel(definition);
  const twin = createTwin({
    objects: faults.spoil(objects, (server) => nodes.get(server) ?? server),
    servers: definition.servers,
    clock,
    random: new SeededRandom(seed + 1),
    updatedKernel: (kernel) => wanted ?? `${kernel}+update`,
    bootMsOf: (server) => bootMsOf(definition, server) * faults.bootsSlower(server),
    shutdownMs: shutdownMsOf(definition),
    times: podTimes,
    faultsOf: (server) => faults.ofMachine(server),
  });
  for (const [server, machine] of twin.machines) {
    let seen = machine.boots;
    machine.onChange(() => {
      if (machine.system !== 'up' || machine.boots === seen) return;
      if (seen === 0) faults.afterBoot(server, machine);
      seen = machine.boots;
    });
  }
  const table = new LeaseTable(clock);
  const journal = new MemoryJournal({ leases: table });
  const bugs: string[] = [];
  const rates = faults.ofCluster;
  const cluster = new SimulatedCluster(twin.api, rates && { faults: { random: new SeededRandom(seed + 2), ...rates } });
  const scripts = scriptsFor(definition, faults);
  const machineOf = (server: string): Machine => mustHave(twin.machines.get(server));
  // Nobody reads here what commands write.
  const shells = keep((server: string) => new SimulatedShell(machineOf(server), clock, { scripts, looks: 1 }));
  const bmcs = keep((server: string) => new SimulatedBmc(machineOf(server), clock));
  const world: EngineWorld = {
    clock,
    random,
    logger: loggerInto(bugs),
    cluster,
    connections: { shellOf: ({ name }) => shells(name), bmcOf: ({ name }) => bmcs(name) },
    movers: { surge: new SurgeMover(cluster), evict: new EvictMover(cluster) },
    journal,
    leases: new MemoryLeases(table, 'rehearsal'),
    wakeUps: new MemoryWakeUps({ clock, random: new SeededRandom(seed + 3) }),
  };
  const sweepMs = rates ? sweepFlakyMs : sweepQuietMs;
  return { clock, twin, journal, world, log: new RunLog(journal, clock), sweepMs, bugs };
}

/** Lets virtual time pass until the run has ended, or nothing more happens, or the horizon is reached. */
async function play({ definition, startMs, signal, onProgress }: RehearseInput, stage: Stage): Promise<RunState> {
  const { clock, journal, world, log, sweepMs } = stage;
  const { runId } = definition;
  let isApprovalAsked = false;
  let isOver = false;
  let ended = 0;
  let turns = 0;
  journal.onAppend(({ server }) => {
    if (server !== undefined) return;
    void log.run(runId).then((run) => {
      isOver = run?.ended !== undefined;
      ended = Object.keys(run?.ends ?? {}).length;
      isApprovalAsked = run?.hold.kind === 'waiting' && run.hold.for === 'approval';
    });
  });
  await log.appendRun(runId, 0, [{ kind: 'runCreated', definition }]);
  const engine = new Engine(world, log, { sites: [...new Set(definition.servers.map(({ site }) => site))], sweepMs });
  await engine.start();
  await world.wakeUps.wake({ runId, site: coordinatorSite }, 0);
  const commands = new Commands(world, log, { read: () => Promise.reject(new InvariantError('nothing to read')) });
  let standingTurns = 0;
  let seenMs = startMs;
  const isDone = (): boolean => {
    turns += 1;
    standingTurns = clock.nowMs() === seenMs ? standingTurns + 1 : 0;
    seenMs = clock.nowMs();
    if (standingTurns > standingTurnsMax) throw new InvariantError('time stands still in the rehearsal');
    if (turns % progressEvery === 0) onProgress?.({ atMs: clock.nowMs(), ended, servers: definition.servers.length });
    return isOver || isApprovalAsked || signal.aborted;
  };
  for (;;) {
    const how = await clock.run(isDone, startMs + horizonMs);
    signal.throwIfAborted();
    if (how !== 'done' || isOver) break;
    isApprovalAsked = false;
    await commands.approve(runId, 'rehearsal');
  }
  const run = await log.run(runId);
  if (!run) throw new InvariantError('a rehearsed run has no journal');
  return run;
}

async function tell(
  { definition, seed, takenMs, startMs }: RehearseInput,
  { clock, journal, twin, world, bugs }: Stage,
  faults: Faults,
  run: RunState,
): Promise<Rehearsal> {
  if (bugs.length > 0) throw new InvariantError(`the rehearsal met a bug: ${bugs[0]}`);
  const { runId } = definition;
  const endMs = run.ended?.atMs ?? clock.nowMs();
  const streams = await journal.readMany(definition.servers.map(({ name }) => ({ runId, server: name })));
  const servers = definition.servers.map((server, index) =>
    rehearsedServer(definition, run, server, streams[index] ?? [], endMs),
  );
  const openings = definition.schedule
    ? openingsBetween(definition.schedule, startMs, Math.max(endMs, startMs + 1))
    : [];
  const open = openings.flatMap((opening) => opening.open);
  const isInside = (atMs: number): boolean => open.some((span) => span.fromMs <= atMs && atMs <= span.toMs);
  const { nodes } = await world.cluster.view(AbortSignal.timeout(30_000));
  const left = [...downServers(definition, nodes)].sort();
  return {
    plan: definition.plan,
    playbook: definition.playbook,
    seed,
    takenMs,
    startMs,
    endMs,
    outcome: run.ended?.outcome ?? 'unfinished',
    reason: run.ended?.reason ?? holdText(run),
    fitsWindow:
      definition.schedule === undefined
        ? undefined
        : openings.length === 1 && servers.every(({ endedMs }) => endedMs !== undefined && isInside(endedMs)),
    servers,
    leftDown: left,
    waits: waitsOfRun(await journal.read({ runId }), endMs),
    windows: open,
    blackouts: openings.flatMap((opening) =>
      opening.blackouts.map(({ fromMs, toMs, reason }) => ({ fromMs, toMs, reason })),
    ),
    timeZone: openings[0]?.timeZone,
    podsMoved: servers.reduce((sum, server) => sum + server.podsMoved, 0),
    faults: faults.requested,
    assumptions: assumptionsOf(definition, twin),
    assumedCommands: assumedCommands(definition),
  };
}

function assumptionsOf(definition: RunDefinition, twin: Twin): string[] {
  const approvals = definition.waves.slice(0, -1).filter((wave) => wave.approval).length;
  return [
    sayTimes(definition),
    ...sayCommandTimes(definition),
    `a pod takes ${(podTimes.podStartMs + podTimes.podReadyMs) / 1_000} s to be ready and ${podTimes.podStopMs / 1_000} s to end`,
    ...(approvals > 0 ? ['approvals are given at once'] : []),
    ...(twin.standIns.length > 0
      ? [`pods of owners outside the snapshot (${twin.standIns.join(', ')}) come again under their names`]
      : []),
  ];
}

function holdText({ hold }: RunState): string {
  switch (hold.kind) {
    case 'waiting':
      return hold.text;
    case 'blocked':
      return hold.by;
    case 'paused':
      return `paused by ${hold.by}`;
    case 'none':
      return 'nothing more happens';
  }
}

function quiet(): void {}

function loggerInto(bugs: string[]): Logger {
  const error = (fields: Readonly<Record<string, unknown>>, text: string): void => {
    const { err } = fields;
    bugs.push(err instanceof Error ? `${text}: ${err.stack ?? err.message}` : text);
  };
  return { debug: quiet, info: quiet, warn: quiet, error };
}

function keep<T>(make: (name: string) => T): (name: string) => T {
  const kept = new Map<string, T>();
  return (name) => {
    const known = kept.get(name);
    if (known !== undefined) return known;
    const made = make(name);
    kept.set(name, made);
    return made;
  };
}

function mustHave<T>(value: T | undefined): T {
  if (value === undefined) throw new InvariantError('a server of the run has no machine in the twin');
  return value;
}

/** When a rehearsal begins: at once where the plan allows it, else when a server could start next. */
export function startOf({ schedule }: RunDefinition, nowMs: number): number {
  return schedule ? (nextStart(schedule, nowMs, schedule.estimateMs)?.atMs ?? nowMs) : nowMs;
}
