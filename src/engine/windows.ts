/** What opens when, for people and programs: the coming openings of plans, and why one of them is no use. It only looks. */
import type { Documents } from '../ports/documents.ts';
import { nextStart, openingsFrom, stateAt, type Opening, type Schedule } from '../schedule/schedule.ts';
import type { MaintenancePlan } from '../spec/plan.ts';
import { scheduleOf } from '../spec/plan-schedule.ts';
import { noSuchPlan } from './not-there.ts';
import type { OpeningView, PlanWindows } from './operations.ts';

/** Of one plan that is asked for; of all plans fewer. */
const shownOfOne = 10;
const shownOfAll = 4;

export function listWindows(documents: Documents, plan: string | undefined, nowMs: number): PlanWindows[] {
  const plans = documents.plans.filter(({ metadata }) => plan === undefined || metadata.name === plan);
  if (plan !== undefined && plans.length === 0) throw noSuchPlan(plan, documents.plans);
  return plans
    .map((one) => ({
      ...viewPlan(one, nowMs, plan === undefined ? shownOfAll : shownOfOne),
      notices: documents.notices,
    }))
    .sort((a, b) => (a.plan < b.plan ? -1 : 1));
}

/** For whoever starts a run while nothing may begin. Undefined: servers may begin now, or the run itself says why none may. */
export function whyNotYet({ spec }: MaintenancePlan, nowMs: number): string | undefined {
  if (!spec.schedule) return undefined;
  const schedule = scheduleOf(spec.schedule);
  const next = nextStart(schedule, nowMs, schedule.estimateMs);
  if (!next || next.atMs <= nowMs) return undefined;
  const { timeZone } = next.opening;
  const at = Temporal.Instant.fromEpochMilliseconds(next.atMs).toZonedDateTimeISO(timeZone);
  const [day, time] = [at.toPlainDate().toString(), at.toPlainTime().toString({ smallestUnit: 'minute' })];
  return `no server begins before the window opens: ${day} ${time} (${timeZone})`;
}

function zoned(atMs: number, timeZone: string): string {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone).toString({ smallestUnit: 'minute' });
}

function viewPlan({ metadata, spec }: MaintenancePlan, nowMs: number, shown: number): Omit<PlanWindows, 'notices'> {
  if (!spec.schedule) {
    return { plan: metadata.name, state: 'always', startAutomatically: false, openings: [] };
  }
  const schedule = scheduleOf(spec.schedule);
  const state = stateAt(schedule, nowMs);
  const next = nextStart(schedule, nowMs, schedule.estimateMs);
  const openings: OpeningView[] = [];
  for (const opening of openingsFrom(schedule, nowMs)) {
    if (openings.length >= shown) break;
    openings.push(viewOpening(schedule, opening, nowMs));
  }
  return {
    plan: metadata.name,
    state: state.kind,
    untilMs: state.kind === 'open' ? state.span.toMs : undefined,
    nextStartMs: next?.atMs,
    timeZone: next?.opening.timeZone ?? schedule.windows[0]?.timeZone,
    startAutomatically: schedule.startAutomatically,
    estimateMs: schedule.estimateMs,
    openings,
  };
}

function viewOpening(schedule: Schedule, opening: Opening, nowMs: number): OpeningView {
  const { fromMs, toMs, timeZone, open, blackouts } = opening;
  const longestMs = Math.max(0, ...open.map((span) => span.toMs - span.fromMs));
  return {
    fromMs,
    toMs,
    timeZone,
    opensAt: zoned(fromMs, timeZone),
    opensAtUtc: utc(fromMs),
    shutsAt: zoned(toMs, timeZone),
    shutsAtUtc: utc(toMs),
    state: stateOf(longestMs, schedule.estimateMs, fromMs <= nowMs),
    open,
    blackouts,
  };
}

function utc(atMs: number): string {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toString({ smallestUnit: 'minute' });
}

function stateOf(longestMs: number, estimateMs: number, hasBegun: boolean): OpeningView['state'] {
  if (longestMs === 0) return 'suppressed';
  if (longestMs < estimateMs) return 'tooShort';
  return hasBegun ? 'begun' : 'coming';
}
