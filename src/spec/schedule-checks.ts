/**
 * What is wrong with the times of a plan: cron lines, zones, blackouts, and windows in which nothing could ever start.
 *
 * It judges without looking at the clock, so that a document is as valid tomorrow as it is today.
 */
import { blackoutSpans } from '../schedule/blackouts.ts';
import { parseCron } from '../schedule/cron.ts';
import { isTimeZone, parseLocal, timeZones } from '../schedule/local-time.ts';
import { nextStart, openingsFrom, windowLastsMsMax, type Schedule } from '../schedule/schedule.ts';
import type { Judged } from './inventory-checks.ts';
import type { MaintenancePlan, PlanSchedule } from './plan.ts';
import { scheduleOf } from './plan-schedule.ts';
import { didYouMean, type Problem } from './problem.ts';
import type { SourceDocument, ValuePath } from './source.ts';

const here = ['spec', 'schedule'];
/** Any moment does where windows come again for ever. */
const anyMs = Temporal.Instant.from('2024-01-01T00:00Z').epochMilliseconds;
const yearMs = 366 * 86_400_000;
/** From so many blackouts on it is looked whether anything opens after them. */
const looksMax = 50;

export function checkSchedule({ source, value }: Judged<MaintenancePlan>): Problem[] {
  const { schedule } = value.spec;
  if (!schedule) return [];
  const problems = [
    ...schedule.windows.flatMap((window, index) => checkWindow(source, window, [...here, 'windows', index])),
    ...schedule.blackouts.flatMap((blackout, index) => checkBlackout(source, blackout, [...here, 'blackouts', index])),
  ];
  if (problems.some(({ severity }) => severity === 'error')) return problems;
  return [...problems, ...checkWhole(source, scheduleOf(schedule))];
}

function checkZone(source: SourceDocument, timeZone: string, at: ValuePath): Problem[] {
  if (isTimeZone(timeZone)) return [];
  const hint = didYouMean(timeZone, timeZones()) ?? 'write the IANA name of a place, such as Europe/Berlin, or UTC';
  return [source.problemAt([...at, 'timeZone'], { message: `there is no time zone "${timeZone}"`, hint })];
}

function checkWindow(source: SourceDocument, window: PlanSchedule['windows'][number], at: ValuePath): Problem[] {
  const { opens, lasts, timeZone } = window;
  const problems = checkZone(source, timeZone, at);
  const parsed = parseCron(opens);
  if ('fault' in parsed) {
    const { offset, length, message, hint } = parsed.fault;
    problems.push(source.problemInText([...at, 'opens'], { offset, length }, { message, hint }));
  } else if (parsed.cron.minutes.length === 60) {
    const message = 'this opens anew every minute of its hours';
    const hint = `write the minute first: "0${opens.trim().slice(1)}"`;
    problems.push(source.problemAt([...at, 'opens'], { severity: 'warning', message, hint }));
  }
  if (lasts > windowLastsMsMax) {
    problems.push(source.problemAt([...at, 'lasts'], { message: 'a window lasts 28 days at most' }));
  }
  return problems;
}

function checkBlackout(source: SourceDocument, blackout: PlanSchedule['blackouts'][number], at: ValuePath): Problem[] {
  const problems = checkZone(source, blackout.timeZone, at);
  if ('ical' in blackout) return problems;
  for (const edge of ['from', 'to'] as const) {
    if (parseLocal(blackout[edge]) !== undefined) continue;
    problems.push(source.problemAt([...at, edge], { message: `there is no such day or time: ${blackout[edge]}` }));
  }
  if (problems.length > 0) return problems;
  const always = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  if (blackoutSpans({ ...blackout, reason: '' }, ...always).length > 0) return [];
  return [source.problemAt([...at, 'to'], { message: 'this blackout ends before it begins' })];
}

/** All windows and blackouts together. */
function checkWhole(source: SourceDocument, schedule: Schedule): Problem[] {
  const free = { ...schedule, blackouts: [] };
  if (!nextStart(free, anyMs, schedule.estimateMs)) {
    const at = source.valueAt([...here, 'estimate']) === undefined ? [...here, 'windows'] : [...here, 'estimate'];
    const minutes = Math.ceil(schedule.estimateMs / 60_000);
    const message = `no window is long enough for one server, which is estimated at ${minutes} min`;
    const hint = 'let a window last longer, or say with "estimate" how long a server takes';
    return [
      at.at(-1) === 'windows' ? source.problemAtKey(at, { message, hint }) : source.problemAt(at, { message, hint }),
    ];
  }
  const [first] = openingsFrom(free, anyMs);
  if (schedule.startAutomatically && first && first.toMs - first.fromMs > windowLastsMsMax) {
    const message = 'these windows run into each other without end, so there is no opening to start at';
    const hint = 'leave a gap between them, or start the plan by hand';
    return [source.problemAt([...here, 'startAutomatically'], { message, hint })];
  }
  return checkCover(source, schedule, free);
}

/** A blackout that covers every window for a year and longer is mostly a wrong year. */
function checkCover(source: SourceDocument, schedule: Schedule, free: Schedule): Problem[] {
  for (const blackout of schedule.blackouts.slice(0, looksMax)) {
    const once = { ...blackout, repeats: undefined };
    const fromMs = blackoutSpans(once, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)[0]?.fromMs;
    if (fromMs === undefined) continue;
    const next = nextStart(schedule, fromMs, schedule.estimateMs);
    const at = [...here, 'blackouts'];
    if (!next) {
      const message = `blackouts cover every window from ${blackout.from} on, so no server could ever start`;
      return [source.problemAtKey(at, { message, hint: 'look at the years' })];
    }
    const without = nextStart(free, fromMs, schedule.estimateMs);
    if (next.atMs - fromMs > yearMs && without && without.atMs - fromMs <= yearMs) {
      const message = `blackouts cover every window for more than a year from ${blackout.from} on`;
      return [source.problemAtKey(at, { severity: 'warning', message, hint: 'look at the years' })];
    }
  }
  return [];
}
