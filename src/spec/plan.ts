/** The MaintenancePlan document: what, where, when, how fast. */
import { z } from 'zod';
import type { Blackout as CalendarBlackout } from '../schedule/blackouts.ts';
import {
  Amount,
  ApiVersion,
  BesidePath,
  Duration,
  LocalTime,
  Metadata,
  Name,
  ParameterValue,
  Selector,
  ZoneName,
} from './values.ts';

const minuteMs = 60_000;

/** How a pod may leave its server, best first. */
export const MoveWay = z.enum(['live', 'surge', 'evict']);
export type MoveWay = z.infer<typeof MoveWay>;

/**
 * The least that a live move has to keep. Where nothing is said it may be memory alone, but a pod that can be replaced before
 * it goes is replaced then: its connections have time to end, and are not closed.
 */
const LiveKeeps = z.enum(['everything', 'in-cluster connections', 'memory']);
export type LiveKeeps = z.infer<typeof LiveKeeps>;

const PodMatch = z.strictObject({
  namespaces: z.array(z.string().min(1)).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  owners: z.array(z.string().min(1)).optional(),
});

const EvacuationRule = z.strictObject({
  match: PodMatch,
  prefer: z.array(MoveWay).min(1).optional(),
  liveKeeps: LiveKeeps.optional(),
  restart: z.enum(['allowed', 'never']).optional(),
  action: z.enum(['leave', 'drain', 'waitCompleted']).optional(),
  /** Low numbers move first; equal ones together. */
  order: z.int().optional(),
});
export type EvacuationRule = z.infer<typeof EvacuationRule>;

/** How many live moves there may be at once: of many at once each stands still for much longer than one alone. */
const MoveLimits = z
  .strictObject({
    /** Leaving one server. */
    perServer: z.int().min(1).optional(),
    /** On their way to one server. */
    perTarget: z.int().min(1).optional(),
    /** In the whole cluster, all runs together. */
    perCluster: z.int().min(1).optional(),
  })
  .transform(({ perServer, perTarget, perCluster }) => ({
    perServer: perServer ?? 1,
    perTarget: perTarget ?? 2,
    perCluster: perCluster ?? 8,
  }));
export type MoveLimits = z.infer<typeof MoveLimits>;

const Evacuation = z
  .strictObject({
    prefer: z.array(MoveWay).min(1).optional(),
    liveKeeps: LiveKeeps.optional(),
    rules: z.array(EvacuationRule).optional(),
    /** `keep` blocks the restart of a pod with emptyDir data; `lose` allows it. */
    localData: z.enum(['keep', 'lose']).optional(),
    /** A bare pod is not recreated by anybody: `block` or `lose` it. */
    barePods: z.enum(['block', 'lose']).optional(),
    timeout: Duration.optional(),
    limits: MoveLimits.optional(),
  })
  .transform(({ prefer, liveKeeps, rules, localData, barePods, timeout, limits }) => ({
    prefer: prefer ?? (['live', 'surge', 'evict'] as MoveWay[]),
    liveKeeps,
    rules: rules ?? [],
    localData: localData ?? ('keep' as const),
    barePods: barePods ?? ('block' as const),
    timeoutMs: timeout ?? 30 * minuteMs,
    limits,
  }));
export type EvacuationPolicy = z.infer<typeof Evacuation>;

const defaultLimits: MoveLimits = MoveLimits.parse({});

/** Also of a run that was made before there were limits. */
export function limitsOf(policy: EvacuationPolicy): MoveLimits {
  return policy.limits ?? defaultLimits;
}

const Wave = z
  .strictObject({ servers: Amount, soak: Duration.optional(), approval: z.literal('required').optional() })
  .transform(({ servers, soak, approval }) => ({ servers, soakMs: soak ?? 0, approval: approval === 'required' }));

const Rollout = z.strictObject({
  maxUnavailable: Amount.optional(),
  maxParallel: z.int().min(0).optional(),
  /** A label of the Kubernetes node; never are two of its values worked on at once. */
  failureDomain: z.string().min(1).optional(),
  waves: z.array(Wave).min(1).optional(),
  haltAfter: z.strictObject({ failures: z.int().min(1).optional(), consecutive: z.int().min(1).optional() }).optional(),
  waitTimeout: Duration.optional().meta({
    description:
      'How long the run waits while nothing can start, for room or for servers that are down for other reasons, before it halts; 4h where there is no schedule, else until its window shuts',
    examples: ['4h'],
  }),
});

/**
 * After the last wave. `spread`: evens out what the servers of the run are asked for; `return`: pods go back alive to
 * where the run found them; `none`: pods stay where the run has put them.
 */
const Rebalance = z
  .strictObject({
    policy: z.enum(['spread', 'return', 'none']),
    maxMoves: z.int().min(1).max(1_000).optional(),
    /** For all of it; what is under way then goes on to its end. */
    timeout: Duration.optional(),
  })
  .transform(({ policy, maxMoves, timeout }) => ({
    policy,
    maxMoves: maxMoves ?? 20,
    timeoutMs: timeout ?? 30 * minuteMs,
  }));
export type RebalancePolicy = z.infer<typeof Rebalance>;

const Window = z.strictObject({
  opens: z.string().meta({
    description: 'A cron line: minute, hour, day of the month, month, weekday, in the time zone of the window',
    examples: ['0 22 * * SAT'],
  }),
  lasts: Duration,
  timeZone: ZoneName,
});

/** `to` as a date counts that whole day; with a time of day it is the first moment that is free again. */
const Blackout = z.union([
  z.strictObject({ from: LocalTime, to: LocalTime, timeZone: ZoneName, reason: z.string().min(1).optional() }),
  z.strictObject({
    /** A calendar file beside the plan: each of its events is a blackout. */
    ical: BesidePath,
    /** Of whole days, and of times that name no zone. */
    timeZone: ZoneName,
    reason: z.string().min(1).optional(),
  }),
]);

const Schedule = z
  .strictObject({
    windows: z.array(Window).min(1),
    blackouts: z.array(Blackout).optional(),
    /** `false`: the windows only allow, and a person starts the run. */
    startAutomatically: z.boolean().optional(),
    /** How long one server takes, as long as nobody has measured it. */
    estimate: Duration.optional(),
  })
  .transform(({ windows, blackouts, startAutomatically, estimate }) => ({
    windows,
    blackouts: blackouts ?? [],
    startAutomatically: startAutomatically ?? false,
    estimateMs: estimate ?? 30 * minuteMs,
    /** The calendar files' own, once they have been read. */
    calendars: [] as readonly CalendarBlackout[],
  }));
export type PlanSchedule = z.infer<typeof Schedule>;

export const MaintenancePlan = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('MaintenancePlan'),
  metadata: Metadata,
  spec: z.strictObject({
    playbook: Name,
    parameters: z.record(z.string(), ParameterValue).optional(),
    targets: Selector.extend({ exclude: z.array(z.string().min(1)).optional() }),
    schedule: Schedule.optional(),
    rollout: Rollout.optional(),
    evacuation: Evacuation.optional(),
    rebalance: Rebalance.optional(),
  }),
});
export type MaintenancePlan = z.infer<typeof MaintenancePlan>;
/** As people write it. */
export type MaintenancePlanInput = z.input<typeof MaintenancePlan>;

/** The evacuation policy of a plan that says nothing about it. */
export const defaultEvacuation: EvacuationPolicy = Evacuation.parse({});
