/**
 * What a step is: called again and again until its goal holds, by whichever daemon is alive. It observes first and acts
 * only where the goal does not hold; everything irreversible is recorded as an intent before it is done.
 *
 * A step never chooses the next step, never retries by itself and never waits long: it says when to be called again.
 */
import type { MoveUnderWay } from '../evacuation/move-limits.ts';
import type { Bmc } from '../ports/bmc.ts';
import type { Clock } from '../ports/clock.ts';
import type { Cluster } from '../ports/cluster.ts';
import type { Logger } from '../ports/logger.ts';
import type { MoverName, PodMover } from '../ports/movers.ts';
import type { Shell } from '../ports/shell.ts';
import type { RunDefinition, RunServer } from '../workflow/definition.ts';
import type { Evidence, ServerEvent } from '../workflow/events.ts';
import type { Hold } from '../workflow/hold.ts';
import type { MoveEvent } from '../workflow/move-state.ts';
import type { ServerState } from '../workflow/server-state.ts';

export type StepResult =
  | { readonly kind: 'finished'; readonly evidence: Evidence }
  /** Under way; nothing is wrong. Call again after `againMs` at the latest. */
  | { readonly kind: 'working'; readonly againMs: number }
  /** Cannot go on now, and the reason is shown to people. Counts as no failure. */
  | { readonly kind: 'waiting'; readonly hold: Hold; readonly againMs: number };

/** What making moves needs: on a server of a run, or after the run. */
export interface MovesContext {
  readonly definition: RunDefinition;
  /** The one that the pods leave. */
  readonly server: Pick<RunServer, 'name' | 'node'>;
  readonly state: Pick<ServerState, 'version' | 'moves'>;
  readonly movers: Readonly<Partial<Record<MoverName, PodMover>>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** When it returns the events are safe. */
  record(...events: MoveEvent[]): Promise<void>;
}

export interface StepContext {
  readonly definition: RunDefinition;
  readonly server: RunServer;
  /** Folded anew after each `record`. */
  readonly state: ServerState;
  readonly cluster: Cluster;
  readonly bmc: Bmc;
  readonly shell: Shell;
  readonly movers: Readonly<Partial<Record<MoverName, PodMover>>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends with the lease, the shutdown of the daemon, or the bound of this call. */
  readonly signal: AbortSignal;
  /** Appends under the lease of this server; when it returns the events are safe. */
  record(...events: ServerEvent[]): Promise<void>;
  /** Output of a command, for the journal's bounded log. */
  output(step: string, text: string): void;
  /** The last look before something that cannot be taken back: lease, pause, stop, budget. */
  guard(): Promise<Hold | undefined>;
  /**
   * Runs the work while nobody else, on whichever daemon, begins a live move, and tells it what is under way anywhere.
   * `undefined`: somebody else is at it. The work stops where its signal ends.
   */
  admitMove<T>(work: (underWay: readonly MoveUnderWay[], signal: AbortSignal) => Promise<T>): Promise<T | undefined>;
  /** Whether every pod that has to move would find a place on another server now. */
  room(): Promise<Hold | undefined>;
}

export function finished(evidence: Evidence = {}): StepResult {
  return { kind: 'finished', evidence };
}

export function working(againMs = 1_000): StepResult {
  return { kind: 'working', againMs };
}

export function waiting(hold: Hold, againMs = 2_000): StepResult {
  return { kind: 'waiting', hold, againMs };
}

/** When the step in hand began, over all its tries; its bounds are measured from here. */
export function sinceMs(context: StepContext, step: string): number {
  const status = context.state.steps[step];
  return status?.kind === 'started' || status?.kind === 'failed' ? status.sinceMs : context.clock.nowMs();
}

/** For messages: `12 s`, `20 min`. */
export function lengthText(durationMs: number): string {
  return durationMs < 120_000 ? `${Math.round(durationMs / 1_000)} s` : `${Math.round(durationMs / 60_000)} min`;
}
