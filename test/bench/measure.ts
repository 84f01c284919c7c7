/**
 * One run, and where its time went. From the run's journal and view come the phases; from the simulated machines, which
 * live in this process, when a server really went down and came up; from /proc what the daemon and its Redis used.
 */
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import type { HistoryEntry } from '../../src/api/client.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Lab } from '../../src/lab/lab.ts';
import type { RunView } from '../../src/workflow/run-view.ts';
import { planName, type Daemon } from './fleet.ts';
import { median, readMachine, readUsage, type Sample } from './process-usage.ts';

/** Phases whose length the playbook, the pods and the machine decide; all others are the engine's own. */
const foreignPhases = ['evacuating', 'servicing', 'rebooting'] as const;
export const ownPhases = ['preparing', 'cordoning', 'rejoining', 'verifying', 'returning'] as const;
type Phase = (typeof foreignPhases)[number] | (typeof ownPhases)[number];

export interface ServerTimes {
  readonly name: string;
  /** From the place in the budget to the end. */
  readonly wallMs: number;
  /** From the place in the budget to the first step: the queue. */
  readonly queueMs: number;
  readonly phaseMs: Readonly<Record<Phase, number>>;
  /** The definition: wall time less evacuation, service and reboot. */
  readonly overheadMs: number;
  /** Inside of the reboot: until the server really went down, and from "up again" until that was known. */
  readonly rebootAskMs: number;
  readonly rebootSeenMs: number;
}

export interface Measured {
  readonly wallMs: number;
  readonly servers: readonly ServerTimes[];
  /** From a server's end to the next server that got its place; empty where all started at once. */
  readonly handoverMs: readonly number[];
  readonly samples: readonly Sample[];
}

const sampleEveryMs = 250;
const pollEveryMs = 2_000;
const clock = new SystemClock();

export async function measure(lab: Lab, daemon: Daemon, runMs: number, signal: AbortSignal): Promise<Measured> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(runMs)]);
  const boots = watchBoots(lab);
  const samples: Sample[] = [];
  const sampling = new AbortController();
  const sampler = sample(lab, daemon, samples, AbortSignal.any([bound, sampling.signal]));
  try {
    const { runId } = await daemon.client.start(planName);
    const view = await untilEnded(daemon, runId, bound);
    if (view.status !== 'done') throw new Error(`the run ended ${view.status}: ${view.reason}`);
    const history = await daemon.client.history(runId);
    return {
      wallMs: (view.endedMs ?? 0) - view.createdMs,
      servers: view.servers.map((row) => timesOf(row, history, boots.times)),
      handoverMs: handovers(history),
      samples,
    };
  } finally {
    boots.stop();
    sampling.abort();
    await sampler;
  }
}

async function untilEnded(daemon: Daemon, runId: string, signal: AbortSignal): Promise<RunView> {
  let view = await daemon.client.run(runId);
  while (view.endedMs === undefined) {
    if (signal.aborted) throw new Error(`the run did not end: ${describe(view)}`, { cause: signal.reason });
    await clock.sleep(pollEveryMs, signal).catch(() => undefined);
    view = await daemon.client.run(runId).catch((error: unknown) => {
      // A machine this busy may answer late once; the journal keeps the times.
      if (error instanceof MaintenanceError && error.disposition === 'retry') return view;
      throw error;
    });
  }
  return view;
}

function describe(view: RunView): string {
  const open = view.servers.find((row) => row.endedMs === undefined);
  return `${open?.name ?? 'the run'} is ${open?.phase ?? view.status}: ${JSON.stringify(open?.hold ?? view.hold)}`;
}

interface BootTimes {
  downMs: number;
  upMs: number;
}

function watchBoots(lab: Lab): { times: ReadonlyMap<string, BootTimes>; stop(): void } {
  const times = new Map<string, BootTimes>();
  const stops = [...lab.world.machines.values()].map((machine) =>
    machine.onChange(() => {
      const known = times.get(machine.name) ?? { downMs: 0, upMs: 0 };
      if (machine.system === 'shuttingDown') known.downMs ||= clock.nowMs();
      if (machine.system === 'up') known.upMs = clock.nowMs();
      times.set(machine.name, known);
    }),
  );
  return { times, stop: () => stops.forEach((stop) => stop()) };
}

async function sample(lab: Lab, daemon: Daemon, samples: Sample[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const down = [...lab.world.machines.values()].filter((machine) => machine.system !== 'up').length;
    samples.push({
      atMs: clock.nowMs(),
      down,
      daemon: readUsage(daemon.pid),
      redis: readUsage(daemon.redisPid),
      lab: readUsage(process.pid),
      machine: readMachine(),
    });
    await clock.sleep(sampleEveryMs, signal).catch(() => undefined);
  }
}

function timesOf(
  row: RunView['servers'][number],
  history: readonly HistoryEntry[],
  boots: ReadonlyMap<string, BootTimes>,
): ServerTimes {
  const admittedMs = timeOf(history, ({ event }) => event.kind === 'serverAdmitted' && event.server === row.name);
  const own = history.filter((entry) => entry.server === row.name);
  const startedMs = timeOf(own, ({ event }) => event.kind === 'stepStarted');
  const endedMs = timeOf(own, ({ event }) => event.kind === 'ended');
  const rung = own.find(({ event }) => event.kind === 'rungStarted')?.event;
  const rebootStep = rung && 'step' in rung ? rung.step : '';
  const rebootMs = timeOf(own, ({ event }) => event.kind === 'stepStarted' && event.step === rebootStep);
  const backMs = timeOf(own, ({ event }) => event.kind === 'stepFinished' && event.step === rebootStep);
  const boot = boots.get(row.name);
  if (!boot?.downMs || !boot.upMs) throw new Error(`${row.name} was never seen to reboot`);
  const phases: readonly Phase[] = [...ownPhases, ...foreignPhases];
  const phaseMs = Object.fromEntries(phases.map((phase) => [phase, row.phaseMs[phase] ?? 0])) as Record<Phase, number>;
  const wallMs = endedMs - admittedMs;
  return {
    name: row.name,
    wallMs,
    queueMs: startedMs - admittedMs,
    phaseMs,
    overheadMs: foreignPhases.reduce((left, phase) => left - phaseMs[phase], wallMs),
    rebootAskMs: boot.downMs - rebootMs,
    rebootSeenMs: backMs - boot.upMs,
  };
}

function timeOf(history: readonly HistoryEntry[], isIt: (entry: HistoryEntry) => boolean): number {
  const entry = history.find(isIt);
  if (!entry) throw new Error('the journal lacks an entry that every finished server has');
  return entry.atMs;
}

/** The k-th place that became free went to the k-th server that had to wait for one. */
function handovers(history: readonly HistoryEntry[]): number[] {
  const ends = history.filter(({ event }) => event.kind === 'ended').map(({ atMs }) => atMs);
  const firstEndMs = Math.min(...ends);
  const later = history.filter(({ event, atMs }) => event.kind === 'serverAdmitted' && atMs >= firstEndMs);
  return later.map(({ atMs }, index) => atMs - (ends[index] ?? atMs));
}

/** While nearly all that may be down at once are down: what waiting for reboots costs. */
export function plateau(samples: readonly Sample[]): Sample[] {
  const most = Math.max(...samples.map(({ down }) => down));
  return samples.filter(({ down }) => down >= 0.9 * most && down > 0);
}

/** Share of one core, from the first to the last of the samples. */
export function cpuShare(samples: readonly Sample[], cpuMsOf: (sample: Sample) => number): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.atMs === first.atMs) return 0;
  return (cpuMsOf(last) - cpuMsOf(first)) / (last.atMs - first.atMs);
}

/** What is left of the run when each batch gets the time that pods, playbook and machine take, shared out evenly. */
export function shareOfRunMs({ wallMs, servers }: Measured, atOnce: number): number {
  const foreignMs = median(servers.map((server) => server.wallMs - server.overheadMs));
  return (wallMs - Math.ceil(servers.length / atOnce) * foreignMs) / servers.length;
}

export function medianOf(measured: Measured, pick: (server: ServerTimes) => number): number {
  return median(measured.servers.map(pick));
}
