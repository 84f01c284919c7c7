/**
 * What people can ask of the engine: the commands behind the HTTP API, and so behind the CLI and the dashboard.
 *
 * Interface only; nothing here waits for a run to get anywhere, every method returns once the request is recorded.
 */
import type { ErrorCode } from '../errors/codes.ts';
import type { PlanPreview } from '../planner/preview.ts';
import type { PowerState } from '../ports/bmc.ts';
import type { OutputLine, StreamId } from '../ports/journal.ts';
import type { Snapshot } from './snapshot.ts';
import type { JournalEvent } from '../workflow/events.ts';
import type { RunView } from '../workflow/run-view.ts';

export type { PlanPreview };

export interface ServerSummary {
  readonly name: string;
  readonly node: string;
  readonly site: string;
  readonly labels: Readonly<Record<string, string>>;
  /** From Kubernetes: `ready`, `not ready`, `cordoned by …`; `unknown` where there is no such node. */
  readonly state: string;
  readonly kernel: string;
  readonly pods: number;
  /** The run that has it now, if any. */
  readonly runId?: string | undefined;
}

/** One opening of a plan's windows, overlapping ones united. */
export interface OpeningView {
  readonly fromMs: number;
  readonly toMs: number;
  readonly timeZone: string;
  /** `2026-11-28T22:00+01:00[Europe/Berlin]`, and the same in UTC. */
  readonly opensAt: string;
  readonly opensAtUtc: string;
  readonly shutsAt: string;
  readonly shutsAtUtc: string;
  /** `suppressed`: blackouts take all of it; `tooShort`: what they leave is shorter than the estimate of one server. */
  readonly state: 'begun' | 'coming' | 'suppressed' | 'tooShort';
  /** What the blackouts leave of it. */
  readonly open: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly blackouts: readonly { readonly fromMs: number; readonly toMs: number; readonly reason: string }[];
}

export interface PlanWindows {
  readonly plan: string;
  /** `always`: the plan has no windows. */
  readonly state: 'always' | 'open' | 'blackout' | 'shut';
  /** Where it is open: until when. */
  readonly untilMs?: number | undefined;
  /** When a server may start that takes as long as estimated; left out: not within ten years. */
  readonly nextStartMs?: number | undefined;
  readonly timeZone?: string | undefined;
  readonly startAutomatically: boolean;
  /** What one server is taken to need; left out where the plan has no windows. */
  readonly estimateMs?: number | undefined;
  readonly openings: readonly OpeningView[];
  /** Why the documents in use may not be what is expected; the same for every plan. */
  readonly notices?: readonly string[] | undefined;
}

/** One line of `doctor`. `next` says what to do where it is not ok. */
export interface Finding {
  readonly area: 'documents' | 'kubernetes' | 'redis' | 'movers' | 'server';
  readonly subject: string;
  readonly ok: boolean;
  readonly text: string;
  readonly code?: ErrorCode | undefined;
  readonly next?: string | undefined;
}

/** An unfinished run, and how far it is with one server: `elsewhere` where it has none of that name. */
export interface RunBeside {
  readonly runId: string;
  readonly plan: string;
  readonly stage: 'pending' | 'begun' | 'halted' | 'over' | 'elsewhere';
}

/** What is to be known before somebody lays hands on a server. */
export interface ServerStanding {
  readonly name: string;
  readonly node: string;
  /** All that are unfinished; requests for power are none. */
  readonly runs: readonly RunBeside[];
  /** On its node, whatever they are; left out where Kubernetes does not say so soon. */
  readonly pods?: number | undefined;
  /** Why `power off` and `cycle` are refused without force; left out: they are not. */
  readonly keepsPower?: string | undefined;
}

export interface Started {
  readonly runId: string;
  /** Why the documents that it was made from may not be what was expected; empty or left out: nothing is wrong. */
  readonly notices?: readonly string[] | undefined;
}

export interface PowerRequest {
  readonly verb: 'status' | 'on' | 'off' | 'cycle';
  /** Also while an unfinished run has the server; never while somebody works on it at this moment. */
  readonly force?: boolean | undefined;
}

export interface Operations {
  runs(): Promise<RunView[]>;
  /** @throws `api/not-found` */
  run(runId: string): Promise<RunView>;
  history(
    stream: StreamId,
  ): Promise<{ version: number; atMs: number; server?: string | undefined; event: JournalEvent }[]>;
  output(stream: StreamId): Promise<OutputLine[]>;
  preview(plan: string): Promise<PlanPreview>;
  start(request: { plan: string; by: string }): Promise<Started>;
  pause(runId: string, by: string): Promise<void>;
  resume(runId: string, by: string): Promise<void>;
  stop(runId: string, by: string): Promise<void>;
  approve(runId: string, by: string): Promise<void>;
  retry(runId: string, server: string, by: string): Promise<void>;
  skip(runId: string, server: string, by: string): Promise<void>;
  servers(): Promise<ServerSummary[]>;
  /** @throws `api/not-found`; Kubernetes need not be there */
  server(name: string): Promise<ServerStanding>;
  power(server: string, request: PowerRequest, by: string): Promise<PowerState>;
  evacuate(server: string, by: string): Promise<{ runId: string }>;
  returnServer(server: string, by: string): Promise<{ runId: string }>;
  /** Of all plans, or of this one. */
  windows(plan?: string): Promise<PlanWindows[]>;
  doctor(): Promise<Finding[]>;
  /** The cluster's objects, scrubbed, and the inventory. */
  snapshot(): Promise<Snapshot>;
  /** Calls back after each change of any run until the signal ends; a hint to read again. */
  watch(signal: AbortSignal, changed: (runId: string) => void): void;
}
