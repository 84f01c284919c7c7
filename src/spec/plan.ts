/** The MaintenancePlan document: what, where, when, how fast. */
import { z } from 'zod';
import type { Blackout as CalendarBlackout } from '../schedule/blackouts.ts';
import {
  Amount,
  ApiVersion,
  BesidePath,
  Duration,
  kindMeta,
  LocalTime,
  Metadata,
  metadataMeta,
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
  namespaces: z.array(z.string().min(1)).optional().meta({ description: 'The pod is in one of these' }),
  labels: z.record(z.string(), z.string()).optional().meta({ description: 'The pod has all of these labels' }),
  owners: z
    .array(z.string().min(1))
    .optional()
    .meta({ description: 'The kind of its owner is one of these: `StatefulSet`, `ReplicaSet`, `Job` …' }),
});

const EvacuationRule = z.strictObject({
  match: PodMatch.meta({
    description: 'Which pods the rule is about: one thing at least, and all that is said must hold',
  }),
  prefer: z
    .array(MoveWay)
    .min(1)
    .optional()
    .meta({ description: 'The ways for these pods, best first', absent: 'as for all' }),
  liveKeeps: LiveKeeps.optional().meta({
    description: 'What a live move of these pods has to keep at least',
    absent: 'as for all',
  }),
  restart: z.enum(['allowed', 'never']).optional().meta({
    description:
      '`never`: these pods only move alive, or keep their server out of the run; `allowed` overrules marks of other tools that say “do not disrupt”',
    absent: '`allowed`, unless so marked',
  }),
  action: z.enum(['leave', 'drain', 'waitCompleted']).optional().meta({
    description:
      '`drain`: they move; `leave`: they stay and go down with the server; `waitCompleted`: the server waits until they have completed',
    absent: '`drain`',
  }),
  order: z.int().optional().meta({ description: 'Low numbers move first, equal ones together', absent: '`0`' }),
});
export type EvacuationRule = z.infer<typeof EvacuationRule>;

/** How many live moves there may be at once: of many at once each stands still for much longer than one alone. */
const MoveLimits = z
  .strictObject({
    perServer: z.int().min(1).optional().meta({ description: 'Leaving one server', default: 1 }),
    perTarget: z.int().min(1).optional().meta({ description: 'On their way to one server', default: 2 }),
    perCluster: z.int().min(1).optional().meta({ description: 'In the whole cluster, all runs together', default: 8 }),
  })
  .transform(({ perServer, perTarget, perCluster }) => ({
    perServer: perServer ?? 1,
    perTarget: perTarget ?? 2,
    perCluster: perCluster ?? 8,
  }));
export type MoveLimits = z.infer<typeof MoveLimits>;

const Evacuation = z
  .strictObject({
    prefer: z
      .array(MoveWay)
      .min(1)
      .optional()
      .meta({
        description:
          'The ways, best first; each pod takes the first that is possible for it. `live`: it runs on elsewhere; `surge`: a replacement is ready before it goes; `evict`: it ends, and its owner makes another',
        default: ['live', 'surge', 'evict'],
      }),
    liveKeeps: LiveKeeps.optional().meta({
      description:
        'What a live move has to keep at least; less is no live move, and the next way is taken. `everything`: connections from outside too; `in-cluster connections`; `memory`: connections are closed',
      absent: '`memory`, after `surge` where that is possible',
    }),
    rules: z
      .array(EvacuationRule)
      .optional()
      .meta({ description: 'What holds for some pods only; the first rule that matches a pod counts', default: [] }),
    localData: z.enum(['keep', 'lose']).optional().meta({
      description: '`keep`: a pod with data in an emptyDir is not restarted; `lose`: it may be',
      default: 'keep',
    }),
    barePods: z.enum(['block', 'lose']).optional().meta({
      description:
        'Pods without an owner, which nobody would make anew. `block`: they keep their server out of the run unless they can move alive; `lose`: they are evicted',
      default: 'block',
    }),
    timeout: Duration.optional().meta({
      description: 'How long one server may take to become empty; then it gives its place back',
      default: '30m',
    }),
    limits: MoveLimits.optional().meta({ description: 'How many live moves there may be at once' }),
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
  .strictObject({
    servers: Amount.meta({ description: 'How many servers it takes; percentages are of all targets' }),
    soak: Duration.optional().meta({ description: 'Pause after it, before the next wave', absent: 'none' }),
    approval: z
      .literal('required')
      .optional()
      .meta({ description: 'After the soak, the next wave waits for `pitcrew approve`', absent: 'none' }),
  })
  .transform(({ servers, soak, approval }) => ({ servers, soakMs: soak ?? 0, approval: approval === 'required' }));

const Rollout = z.strictObject({
  maxUnavailable: Amount.optional().meta({
    description:
      'How many targets may be out of service at once, whatever the reason; failed ones count until they are back',
    absent: '`1`',
  }),
  maxParallel: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'How many servers are worked on at once', absent: 'as many as `maxUnavailable`' }),
  failureDomain: z.string().min(1).optional().meta({
    description:
      'A label of the Kubernetes nodes, such as `topology.kubernetes.io/zone`: servers with two of its values are never worked on at once',
    absent: 'no domains',
  }),
  waves: z.array(Wave).min(1).optional().meta({
    description: 'The servers in portions, one after the other; what they leave over forms a last one',
    absent: 'one wave',
  }),
  haltAfter: z
    .strictObject({
      failures: z.int().min(1).optional().meta({ description: 'So many failed servers in all', absent: '`1`' }),
      consecutive: z
        .int()
        .min(1)
        .optional()
        .meta({ description: 'So many failed servers in a row', absent: 'no bound of its own' }),
    })
    .optional()
    .meta({ description: 'When no further server starts, because too many have failed' }),
  waitTimeout: Duration.optional().meta({
    description:
      'How long the run waits while nothing can start, for room or for servers that are down for other reasons, before it halts',
    absent: '`4h`; with a schedule until its window shuts, and the run goes on in the next',
    examples: ['4h'],
  }),
});

/**
 * After the last wave. `spread`: evens out what the servers of the run are asked for; `return`: pods go back alive to
 * where the run found them; `none`: pods stay where the run has put them.
 */
const Rebalance = z
  .strictObject({
    policy: z.enum(['spread', 'return', 'none']).meta({
      description:
        '`spread`: evens out what the servers of the run are asked for; `return`: pods go back alive to where the run found them; `none`: they stay',
    }),
    maxMoves: z.int().min(1).max(1_000).optional().meta({ description: 'At most so many moves', default: 20 }),
    timeout: Duration.optional().meta({
      description: 'For all of it; what is under way then goes on to its end',
      default: '30m',
    }),
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
  lasts: Duration.meta({ description: 'How long it stays open, in elapsed time' }),
  timeZone: ZoneName.meta({ description: 'Whose clock `opens` means' }),
});

const BlackoutZone = ZoneName.meta({ description: 'Of dates, and of times that name no zone' });
const BlackoutReason = z.string().min(1).optional().meta({
  description: 'Shown to people; an event of a calendar has its own',
  absent: '`blackout`; with `ical` the name of the file',
});

/** `to` as a date counts that whole day; with a time of day it is the first moment that is free again. */
const Blackout = z.union([
  z.strictObject({
    from: LocalTime.meta({ description: 'When it begins' }),
    to: LocalTime.meta({
      description:
        'When it ends: a date counts that whole day, with a time of day it is the first moment that is free again',
    }),
    timeZone: BlackoutZone,
    reason: BlackoutReason,
  }),
  z.strictObject({
    ical: BesidePath.meta({ description: 'A calendar (iCalendar): each of its events is a blackout' }),
    timeZone: BlackoutZone,
    reason: BlackoutReason,
  }),
]);

const Schedule = z
  .strictObject({
    windows: z.array(Window).min(1).meta({ description: 'When servers may start; overlapping windows count as one' }),
    blackouts: z
      .array(Blackout)
      .optional()
      .meta({ description: 'What is taken out of the windows: from and to, or the events of a calendar', default: [] }),
    startAutomatically: z.boolean().optional().meta({
      description:
        '`true`: a run starts by itself when a window opens; `false`: the windows only allow, and a person starts it',
      default: false,
    }),
    estimate: Duration.optional().meta({
      description:
        'How long one server takes, as long as it was not measured: none starts that would not be done in time',
      default: '30m',
    }),
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
  kind: z.literal('MaintenancePlan').meta(kindMeta),
  metadata: Metadata.meta(metadataMeta),
  spec: z.strictObject({
    playbook: Name.meta({ description: 'What is done to each server: the name of a playbook' }),
    parameters: z
      .record(z.string(), ParameterValue)
      .optional()
      .meta({ description: 'Values for the parameters of the playbook', absent: 'their defaults' }),
    targets: Selector.extend({
      exclude: z.array(z.string().min(1)).optional().meta({ description: 'Names of servers that are left out' }),
    }).meta({
      description: 'Which servers of the inventory, by their labels there: `matchLabels`, `matchExpressions` or both',
    }),
    schedule: Schedule.optional().meta({
      description: 'When servers may start',
      absent: 'at any time, by `pitcrew start`',
    }),
    rollout: Rollout.optional().meta({ description: 'How many servers at once, and in which portions' }),
    evacuation: Evacuation.optional().meta({ description: 'How the pods leave a server' }),
    rebalance: Rebalance.optional().meta({
      description: 'What becomes of the pods after the last wave',
      absent: 'they stay where they are',
    }),
  }),
});
export type MaintenancePlan = z.infer<typeof MaintenancePlan>;
/** As people write it. */
export type MaintenancePlanInput = z.input<typeof MaintenancePlan>;

/** The evacuation policy of a plan that says nothing about it. */
export const defaultEvacuation: EvacuationPolicy = Evacuation.parse({});
