/** The MaintenancePlan document: what, where, when, how fast. */
import { z } from 'zod';
import { Amount, ApiVersion, Duration, Metadata, Name, ParameterValue, Selector } from './values.ts';

const minuteMs = 60_000;

/** How a pod may leave its server, best first. */
export const MoveWay = z.enum(['live', 'surge', 'evict']);
export type MoveWay = z.infer<typeof MoveWay>;

const PodMatch = z.strictObject({
  namespaces: z.array(z.string().min(1)).optional(),
  labels: z.record(z.string(), z.string()).optional(),
  owners: z.array(z.string().min(1)).optional(),
});

const EvacuationRule = z.strictObject({
  match: PodMatch,
  prefer: z.array(MoveWay).min(1).optional(),
  restart: z.enum(['allowed', 'never']).optional(),
  action: z.enum(['leave', 'drain', 'waitCompleted']).optional(),
  /** Low numbers move first; equal ones together. */
  order: z.int().optional(),
});
export type EvacuationRule = z.infer<typeof EvacuationRule>;

const Evacuation = z
  .strictObject({
    prefer: z.array(MoveWay).min(1).optional(),
    rules: z.array(EvacuationRule).optional(),
    /** `keep` blocks the restart of a pod with emptyDir data; `lose` allows it. */
    localData: z.enum(['keep', 'lose']).optional(),
    /** A bare pod is not recreated by anybody: `block` or `lose` it. */
    barePods: z.enum(['block', 'lose']).optional(),
    timeout: Duration.optional(),
  })
  .transform(({ prefer, rules, localData, barePods, timeout }) => ({
    prefer: prefer ?? (['live', 'surge', 'evict'] as MoveWay[]),
    rules: rules ?? [],
    localData: localData ?? ('keep' as const),
    barePods: barePods ?? ('block' as const),
    timeoutMs: timeout ?? 30 * minuteMs,
  }));
export type EvacuationPolicy = z.infer<typeof Evacuation>;

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
});

export const MaintenancePlan = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('MaintenancePlan'),
  metadata: Metadata,
  spec: z.strictObject({
    playbook: Name,
    parameters: z.record(z.string(), ParameterValue).optional(),
    targets: Selector.extend({ exclude: z.array(z.string().min(1)).optional() }),
    rollout: Rollout.optional(),
    evacuation: Evacuation.optional(),
  }),
});
export type MaintenancePlan = z.infer<typeof MaintenancePlan>;
/** As people write it. */
export type MaintenancePlanInput = z.input<typeof MaintenancePlan>;

/** The evacuation policy of a plan that says nothing about it. */
export const defaultEvacuation: EvacuationPolicy = Evacuation.parse({});
