/**
 * Everything that the journal can say. Intents are written before the effect, results after it.
 *
 * It is an intent log for going on after a crash, not a debug log; no event carries a secret.
 */
import { z } from 'zod';
import type { RunDefinition } from './definition.ts';
import { Hold } from './hold.ts';

const by = z.string();
const server = z.string();
const step = z.string();
const wave = z.int().min(0);

export const Outcome = z.enum(['done', 'undone', 'halted', 'skipped']);
export type Outcome = z.infer<typeof Outcome>;

const Pod = z.object({ namespace: z.string(), name: z.string(), uid: z.string() });
/** Facts for people and for later steps: boot ids, kernels, counts. */
export const Evidence = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
export type Evidence = z.infer<typeof Evidence>;

/** Everything that the mover is told. Older journals say only who, how and with which promise. */
const MoveStarted = z.object({
  kind: z.literal('moveStarted'),
  pod: Pod,
  mover: z.string(),
  promise: z.string(),
  id: z.string().default(''),
  /** Empty where the scheduler chooses. */
  target: z.string().default(''),
  predictedMs: z.number().default(0),
  timeoutMs: z.number().default(0),
  /** `namespace/name` of the budgets that cover the pod: at most one pod of each is in flight. */
  budgets: z.array(z.string()).default([]),
});
const moveChanges = [
  /** For people who watch; written when the phase changes, and seldom in between. */
  z.object({
    kind: z.literal('moveProgressed'),
    pod: Pod,
    phase: z.enum(['queued', 'copying', 'cutover']),
    note: z.string(),
    doneBytes: z.number().optional(),
    totalBytes: z.number().optional(),
    bytesPerSecond: z.number().optional(),
  }),
  /** There is no way back for this move from here on. */
  z.object({ kind: z.literal('moveCommitted'), pod: Pod }),
  z.object({
    kind: z.literal('moveFinished'),
    pod: Pod,
    result: z.enum(['done', 'rolledBack', 'failed']),
    because: z.string(),
    /** What the pod kept, and where it is now as far as is known: of a move that is done, or that had to make it anew. */
    evidence: z
      .object({
        kept: z.string(),
        uid: z.string().optional(),
        node: z.string().optional(),
        freezeMs: z.number().optional(),
        parts: z
          .object({ networkMs: z.number(), dumpMs: z.number(), transferMs: z.number(), restoreMs: z.number() })
          .optional(),
      })
      .optional(),
  }),
] as const;

/** A server by how much of it is asked for: the greater of CPU and memory, in percent of what pods may use. */
const Load = z.object({ node: z.string(), percent: z.number() });
/** How unevenly servers are loaded, in percent points between the fullest and the emptiest; they are left out where there is none. */
export const Spread = z.object({ points: z.number(), fullest: Load.optional(), emptiest: Load.optional() });
export type Spread = z.infer<typeof Spread>;

const isDefinition = (value: unknown): boolean => typeof value === 'object' && value !== null && 'program' in value;

/** In the stream of the run: written by the coordinator under the run's lease, and by people without it. */
export const RunEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('runCreated'), definition: z.custom<RunDefinition>(isDefinition) }),
  z.object({ kind: z.literal('waveStarted'), wave }),
  /** The server got a place in the budget and may start. */
  z.object({ kind: z.literal('serverAdmitted'), server }),
  /** Copied from the server's own stream, so that the run can be understood from its stream alone. */
  z.object({ kind: z.literal('serverEnded'), server, outcome: Outcome, reason: z.string() }),
  z.object({ kind: z.literal('soakStarted'), wave, untilMs: z.number() }),
  z.object({ kind: z.literal('approvalRequested'), wave }),
  z.object({ kind: z.literal('waveFinished'), wave }),
  z.object({ kind: z.literal('runHoldChanged'), hold: Hold }),
  z.object({ kind: z.literal('rebalanceStarted'), before: Spread }),
  z.object({
    kind: z.literal('rebalanceMoveStarted'),
    move: MoveStarted,
    from: z.string(),
    /** How full `from` is before the move, in percent. */
    percent: z.number(),
    /** Chosen for a live move, expected of the scheduler otherwise. */
    to: z.string(),
    /** The uid of the pod's controller, whose pods all have to be well before the next move; empty for a bare pod. */
    group: z.string(),
    /** How many pods that controller has. */
    members: z.int(),
  }),
  z.object({ kind: z.literal('rebalanceMoveChanged'), change: z.discriminatedUnion('kind', moveChanges) }),
  /** Measured again once a moved pod's workload is well: what the move has brought. */
  z.object({ kind: z.literal('rebalanceMeasured'), spread: Spread, helped: z.boolean() }),
  /** `after` is left out where nobody could measure any more. */
  z.object({ kind: z.literal('rebalanceEnded'), after: Spread.optional(), reason: z.string() }),
  z.object({ kind: z.literal('runEnded'), outcome: Outcome, reason: z.string() }),
  z.object({ kind: z.literal('approved'), wave, by }),
  z.object({ kind: z.literal('paused'), by }),
  z.object({ kind: z.literal('resumed'), by }),
  z.object({ kind: z.literal('stopRequested'), by }),
  z.object({ kind: z.literal('retryRequested'), server, by }),
  z.object({ kind: z.literal('skipRequested'), server, by }),
  /** In a run of its own, before the BMC is asked. `despite`: the run that had the server, and was not asked. */
  z.object({
    kind: z.literal('powerByHand'),
    server,
    verb: z.enum(['on', 'off', 'cycle']),
    by,
    despite: z.string().optional(),
  }),
]);
export type RunEvent = z.infer<typeof RunEvent>;

/** In the stream of one server of a run: only ever written under that server's lease. */
export const ServerEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('stepStarted'), step, attempt: z.int().min(1) }),
  z.object({ kind: z.literal('stepFinished'), step, evidence: Evidence }),
  z.object({
    kind: z.literal('stepFailed'),
    step,
    code: z.string(),
    disposition: z.enum(['retry', 'halt']),
    message: z.string(),
  }),
  z.object({ kind: z.literal('holdChanged'), hold: Hold }),
  /** What a later step needs to know of the time before (boot id, SEL position, kernel to expect). */
  z.object({ kind: z.literal('noted'), step, facts: Evidence }),
  z.object({ kind: z.literal('actionStarted'), step, action: z.int().min(0), commandId: z.string() }),
  z.object({ kind: z.literal('actionFinished'), step, action: z.int().min(0) }),
  MoveStarted,
  ...moveChanges,
  /** The next rung of the reboot ladder is about to be tried. */
  z.object({
    kind: z.literal('rungStarted'),
    step,
    rung: z.enum(['ssh', 'bmc-soft', 'bmc-cycle']),
    commandId: z.string(),
  }),
  z.object({ kind: z.literal('powerAsked'), step, request: z.enum(['off', 'on']) }),
  z.object({ kind: z.literal('powerSeen'), step, state: z.enum(['off', 'on']) }),
  z.object({ kind: z.literal('undoStarted'), because: z.string(), outcome: z.enum(['undone', 'skipped']) }),
  z.object({ kind: z.literal('stepUndone'), step }),
  /** A person asked for another try; `request` is the version of their event in the run's stream. */
  z.object({ kind: z.literal('retried'), request: z.int() }),
  z.object({ kind: z.literal('ended'), outcome: Outcome, reason: z.string() }),
]);
export type ServerEvent = z.infer<typeof ServerEvent>;

export const JournalEvent = z.discriminatedUnion('kind', [RunEvent, ServerEvent]);
export type JournalEvent = z.infer<typeof JournalEvent>;
