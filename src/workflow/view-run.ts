/** From folded states to what people are shown. Pure; the words are chosen here, the layout is the CLI's. */
import type { ProgramStep, RunServer } from './definition.ts';
import type { RunState } from './run-state.ts';
import { givesUpMs } from './patience.ts';
import { openMove, type RebalanceMove } from './rebalance-state.ts';
import { describeMove } from './move-words.ts';
import type { RebalanceView, RunStatus, RunView, ServerRow } from './run-view.ts';
import type { ServerState } from './server-state.ts';

export function viewRun(run: RunState, servers: ReadonlyMap<string, ServerState>, nowMs: number): RunView {
  const { definition } = run;
  const rows = definition.servers.map((server) => viewServer(run, server, servers.get(server.name)));
  const ends = Object.values(run.ends);
  const wave = run.waves.findIndex((status) => status.kind !== 'finished');
  return {
    runId: definition.runId,
    purpose: definition.purpose,
    plan: definition.plan,
    playbook: definition.playbook,
    commit: definition.commit,
    status: statusOf(run),
    hold: run.hold,
    givesUpMs: run.ended ? undefined : givesUpMs(run),
    reason: run.ended?.reason ?? '',
    createdMs: run.createdMs,
    endedMs: run.ended?.atMs,
    wave: wave === -1 ? Math.max(0, run.waves.length - 1) : wave,
    waves: run.waves.length,
    counts: {
      total: definition.servers.length,
      done: ends.filter((end) => end.outcome === 'done').length,
      failed: ends.filter((end) => end.outcome === 'halted' || end.outcome === 'undone').length,
      skipped: ends.filter((end) => end.outcome === 'skipped').length,
      active: rows.filter((row) => row.startedMs !== undefined && row.endedMs === undefined).length,
    },
    podsMoved: rows.reduce((sum, row) => sum + row.pods.moved, 0),
    rebalance: viewRebalance(run),
    endsAboutMs: run.ended || isWaitingForWindow(run) ? undefined : predictEnd(run, rows, nowMs),
    servers: rows,
  };
}

/** It may be a week: what servers need is no measure of it. */
function isWaitingForWindow({ hold }: RunState): boolean {
  return hold.kind === 'waiting' && hold.for === 'window';
}

function statusOf(run: RunState): RunStatus {
  if (run.ended) return run.ended.outcome;
  if (run.stoppedBy !== undefined) return 'stopping';
  return run.pausedBy === undefined ? 'running' : 'paused';
}

function viewRebalance({ definition, rebalance }: RunState): RebalanceView | undefined {
  const policy = definition.rebalance?.policy;
  if (!rebalance || policy === undefined || policy === 'none') return undefined;
  const { before, now, moves, ended } = rebalance;
  const open = ended ? undefined : openMove(rebalance);
  return {
    policy,
    before,
    now,
    moved: moves.filter(({ move }) => move.result === 'done').length,
    failed: moves.filter(({ move }) => move.result !== 'done' && move.result !== undefined).length,
    movesMax: definition.rebalance?.maxMoves ?? 0,
    doing: open ? describeRebalanceMove(open) : '',
    hasEnded: ended !== undefined,
    reason: ended?.reason ?? '',
  };
}

function describeRebalanceMove({ move, from, to }: RebalanceMove): string {
  const { pod, mover, result } = move;
  // After it the hold says what is waited for.
  return result === undefined ? `${pod.namespace}/${pod.name} from ${from} to ${to} (${mover})` : '';
}

function viewServer(run: RunState, server: RunServer, state: ServerState | undefined): ServerRow {
  const end = run.ends[server.name] ?? state?.ended;
  const moves = Object.values(state?.moves ?? {});
  const moved = moves.filter((move) => move.result === 'done').length;
  const toMove = Number(state?.notes['evacuate']?.['toMove'] ?? 0);
  const isRetrying = state?.ended === undefined && state?.retryTaken !== undefined;
  return {
    name: server.name,
    node: server.node,
    wave: run.definition.waves.findIndex((wave) => wave.servers.includes(server.name)),
    phase: end && !(isRetrying && !run.ends[server.name]) ? end.outcome : (state?.phase ?? 'pending'),
    sinceMs: state?.sinceMs ?? 0,
    hold: state?.hold ?? { kind: 'none' },
    doing: state && !end ? describe(run.definition.program, state) : '',
    pods: { toMove: Math.max(toMove, moves.length), moved },
    lastError: state?.lastError,
    startedMs: state?.startedMs,
    endedMs: end?.atMs,
    reason: end?.reason ?? '',
    phaseMs: state?.phaseMs ?? {},
    tried: state?.tried ?? [],
  };
}

/** One line: what is going on right now. */
function describe(program: readonly ProgramStep[], state: ServerState): string {
  if (state.undo) return `bringing it back: ${state.undo.because}`;
  const step = program.find((candidate) => state.steps[candidate.id]?.kind === 'started');
  switch (step?.kind) {
    case undefined:
      return state.lastError ? `${state.lastError.message}; tried again` : '';
    case 'prepare':
      return 'checking server and BMC, fetching packages';
    case 'cordon':
      return 'taking the node out of scheduling';
    case 'evacuate':
      return describeMoves(state);
    case 'service':
      return describeService(step);
    case 'reboot':
      return describeReboot(step.id, state);
    case 'rejoin':
      return 'up with a new boot id; waiting for Kubernetes';
    case 'verify':
      return 'checking kernel, units, SEL and sensors';
    case 'return':
      return 'putting it back into service';
  }
}

/** More would push everything else off the line. */
const movesShown = 2;

function describeMoves(state: ServerState): string {
  const moves = Object.values(state.moves);
  const moved = moves.filter((move) => move.result === 'done').length;
  const total = Math.max(Number(state.notes['evacuate']?.['toMove'] ?? 0), moves.length);
  const current = moves.filter((move) => !move.result).map(describeMove);
  return [`${moved} of ${total} pods away`, ...current.slice(-movesShown)].join(' · ');
}

function describeService(step: Extract<ProgramStep, { kind: 'service' }>): string {
  const { action } = step;
  if ('ssh' in action) return 'run' in action.ssh ? `running: ${firstWork(action.ssh.run)}` : 'copying a file';
  if ('waitMs' in action) return 'waiting as the playbook asks';
  if ('bootDevice' in action) return `setting the boot device to ${action.bootDevice}`;
  return `power ${action.power}`;
}

/** The first line of a script that does something: neither a comment, nor settings of the shell. */
function firstWork(script: string): string {
  const lines = script
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.find((line) => !isSetting(line)) ?? lines[0] ?? '';
}

const assignment = String.raw`\w+=(?:"[^"]*"|'[^']*'|[^\s"';&|]*)`;
const assignments = new RegExp(String.raw`^(?:export\s+|readonly\s+)?${assignment}(?:\s+${assignment})*;?$`);

function isSetting(line: string): boolean {
  return line.startsWith('#') || /^(?:set|umask|unset|cd)\s/.test(line) || assignments.test(line);
}

function describeReboot(step: string, state: ServerState): string {
  const log = state.reboots[step];
  const rung = log?.rungs.at(-1)?.rung;
  if (!rung) return 'about to reboot';
  const lastPower = log.power.findLast((entry) => entry.kind === 'asked')?.state;
  const asked = { ssh: 'asked over SSH', 'bmc-soft': 'asked through the BMC (soft)', 'bmc-cycle': 'BMC off and on' }[
    rung
  ];
  const power = lastPower === undefined ? '' : `; BMC asked for ${lastPower}`;
  return `${asked}${power}; waiting for a new boot id`;
}

/** So many that the servers of this very run say more than those of earlier ones. */
const ownTimesMin = 3;

/**
 * The median time of the finished servers, for those that are left, as many at once as may be; while hardly any has
 * finished, the times that were measured in earlier runs, as they were when this one was started.
 */
function predictEnd(run: RunState, rows: readonly ServerRow[], nowMs: number): number | undefined {
  const times = rows
    .filter((row) => row.phase === 'done' && row.startedMs !== undefined && row.endedMs !== undefined)
    .map((row) => (row.endedMs ?? 0) - (row.startedMs ?? 0))
    .sort((a, b) => a - b);
  const left = rows.filter((row) => row.endedMs === undefined);
  const pinned = times.length < ownTimesMin ? pinnedMs(run, left) : undefined;
  const median = pinned ?? times[Math.floor(times.length / 2)];
  if (median === undefined) return undefined;
  const atOnce = Math.max(1, Math.min(run.definition.maxParallel, run.definition.maxUnavailable));
  const oldestMs = Math.min(nowMs, ...left.map((row) => row.startedMs ?? nowMs));
  const soaksMs = run.definition.waves
    .filter((_, index) => index < run.definition.waves.length - 1 && run.waves[index]?.kind !== 'finished')
    .reduce((sum, wave) => sum + wave.soakMs, 0);
  return Math.max(nowMs, oldestMs + Math.ceil(left.length / atOnce) * median) + soaksMs;
}

/** The mean of the medians, so that slow ones and quick ones count alike; `undefined` where not all were measured. */
function pinnedMs({ definition }: RunState, left: readonly ServerRow[]): number | undefined {
  const takes = new Map(definition.servers.map((server) => [server.name, server.takes]));
  const known = left.flatMap(({ name }) => takes.get(name) ?? []).filter(({ measured }) => measured > 0);
  if (known.length === 0 || known.length < left.length) return undefined;
  return known.reduce((sum, { p50Ms }) => sum + p50Ms, 0) / known.length;
}
