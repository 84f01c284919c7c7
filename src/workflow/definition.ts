/**
 * What a run is, fixed when it starts: the servers, the waves, the limits and the program that every server goes
 * through. It is stored whole in the journal, so that an edit of a document changes the next run and never this one.
 */
import type { Schedule } from '../schedule/schedule.ts';
import type { EvacuationPolicy, RebalancePolicy } from '../spec/plan.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { Action, Check, Rung } from '../spec/playbook.ts';

export type Phase =
  | 'pending'
  | 'preparing'
  | 'cordoning'
  | 'evacuating'
  | 'servicing'
  | 'rebooting'
  | 'rejoining'
  | 'verifying'
  | 'returning'
  | 'done'
  | 'undoing'
  | 'undone'
  | 'halted'
  | 'skipped';

export interface NeededProbe {
  readonly run: string;
  readonly neededExitCode: 0 | 1;
  readonly timeoutMs: number;
}

export type SshAction = Extract<Action, { ssh: unknown }>;
/** Everything in `service` that is not a reboot. */
type ServiceAction = Exclude<Action, { reboot: unknown }>;

/** One step of the program. `id` is unique in it and names the step in the journal. Parameters are filled in already. */
export type ProgramStep =
  | {
      readonly kind: 'prepare';
      readonly id: string;
      readonly needed: readonly NeededProbe[];
      readonly actions: readonly SshAction[];
    }
  | { readonly kind: 'cordon'; readonly id: string }
  | { readonly kind: 'evacuate'; readonly id: string }
  | { readonly kind: 'service'; readonly id: string; readonly action: ServiceAction }
  | {
      readonly kind: 'reboot';
      readonly id: string;
      readonly ladder: readonly Rung[];
      readonly timeoutMs: number;
      /** The kernel that has to run afterwards; `${newest}` is the newest one installed when the reboot is asked for. */
      readonly expectKernel?: string | undefined;
    }
  | { readonly kind: 'rejoin'; readonly id: string }
  | { readonly kind: 'verify'; readonly id: string; readonly checks: readonly Check[] }
  | { readonly kind: 'return'; readonly id: string };
export type StepKind = ProgramStep['kind'];

/** How long a server takes from its start to its end, as predicted when the run was started. */
export interface ServerTimes {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** How many servers were measured; 0: none, and the times are what the plan states. */
  readonly measured: number;
  /** What the measured ones have in common, e.g. `kernel-update, model r640`; empty where none was measured. */
  readonly group: string;
}

/** Why a server has no part in a run that it is a target of, and whom to ask. */
export interface LeftOut {
  readonly because: string;
  /** Empty where nobody is known. */
  readonly owner: string;
}

export interface RunServer extends InventoryServer {
  /** Value of the failure-domain label of its node; empty where there is none. */
  readonly domain: string;
  /** Until the run comes to it, large pods alone shall take its room. */
  readonly keepsRoom?: boolean | undefined;
  /** Left out where nothing was predicted: the estimate of the schedule counts. */
  readonly takes?: ServerTimes | undefined;
  /** Found when the run was started: it is skipped from the beginning, and counts in the budget where it is down. */
  readonly leftOut?: LeftOut | undefined;
}

export interface Wave {
  readonly servers: readonly string[];
  readonly soakMs: number;
  readonly approval: boolean;
}

/** Why the run exists: a plan, or one of the single verbs of the command line. */
export type Purpose = 'maintenance' | 'evacuate' | 'return' | 'power';

export interface RunDefinition {
  readonly runId: string;
  readonly purpose: Purpose;
  /** Name of the plan; for the single verbs the server's name. */
  readonly plan: string;
  readonly playbook: string;
  /** SHA-256 over the documents that it was made from, hexadecimal. */
  readonly digest: string;
  /** The Git commit of those documents, for people; left out: they came from folders. */
  readonly commit?: string | undefined;
  readonly startedBy: string;
  readonly program: readonly ProgramStep[];
  /** In the playbook's `undo`: run on the way back, while the way back is still open. */
  readonly undo: readonly SshAction[];
  readonly servers: readonly RunServer[];
  readonly waves: readonly Wave[];
  readonly maxUnavailable: number;
  readonly maxParallel: number;
  readonly haltAfter: { readonly failures: number; readonly consecutive?: number | undefined };
  /** How long it waits while nothing can start; left out: see `patience.ts`. */
  readonly waitTimeoutMs?: number | undefined;
  readonly evacuation: EvacuationPolicy;
  /** When servers may start, and how long one is said to take; left out: at any time. */
  readonly schedule?: Schedule | undefined;
  /** What happens to the pods after the last wave; left out: they stay where they are. */
  readonly rebalance?: RebalancePolicy | undefined;
  /** Only for `return`: the run whose cordon is lifted, because that run left the server cordoned on purpose. */
  readonly lifts?: string | undefined;
}

/** From the first service action on the server may be half changed: there is no way back, only forward or a halt. */
export function isPastReturn(kind: StepKind): boolean {
  return kind !== 'prepare' && kind !== 'cordon' && kind !== 'evacuate';
}
