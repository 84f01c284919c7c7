/**
 * When nothing may start although a window is open: single spans, and those that come again (from calendars). Pure.
 *
 * A blackout takes away only its own time. A `to` that is a date counts that whole day; a `to` with a time of day is
 * the first moment at which work may start again.
 */
import { InvariantError } from '../errors/maintenance-error.ts';
import { dateAt, dayStartMs, firstInstantMs, lastInstantMs, parseLocal } from './local-time.ts';

export interface Repeats {
  readonly every: 'day' | 'week' | 'month' | 'year';
  readonly interval: number;
  /** Only of a week; 1 is Monday. */
  readonly weekdays?: readonly number[] | undefined;
  readonly count?: number | undefined;
  /** No occurrence begins after it. */
  readonly untilMs?: number | undefined;
  /** Beginnings that are left out. */
  readonly exceptMs: readonly number[];
}

export interface Blackout {
  /** `2026-12-19` or `2026-12-19T22:00`, in the time zone. */
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
  readonly reason: string;
  readonly repeats?: Repeats | undefined;
}

export interface BlackoutSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
}

interface Local {
  readonly date: Temporal.PlainDate;
  /** Undefined: a whole day. */
  readonly time: Temporal.PlainTime | undefined;
}

const unitDaysMost = { day: 1, week: 7, month: 31, year: 366 } as const;
/** More than any calendar holds; so that a loop over occurrences ends whatever the numbers are. */
const occurrencesMax = 100_000;
const dayMs = 86_400_000;

function localOf(text: string): Local {
  const parsed = parseLocal(text);
  if (parsed === undefined) throw new InvariantError('a blackout with a date that was never checked');
  if (parsed instanceof Temporal.PlainDate) return { date: parsed, time: undefined };
  return { date: parsed.toPlainDate(), time: parsed.toPlainTime() };
}

function startMsOf({ date, time }: Local, timeZone: string): number {
  return time === undefined ? dayStartMs(date, timeZone) : firstInstantMs(date.toPlainDateTime(time), timeZone);
}

function endMsOf({ date, time }: Local, timeZone: string): number {
  if (time === undefined) return dayStartMs(date.add({ days: 1 }), timeZone);
  return lastInstantMs(date.toPlainDateTime(time), timeZone);
}

/** Spans that overlap `fromMs` … `toMs`, in no order. */
export function blackoutSpans(blackout: Blackout, fromMs: number, toMs: number): BlackoutSpan[] {
  const { timeZone, reason } = blackout;
  const first = localOf(blackout.from);
  const last = localOf(blackout.to);
  const lengthDays = first.date.until(last.date).days;
  const spanOn = (date: Temporal.PlainDate): BlackoutSpan => ({
    fromMs: startMsOf({ ...first, date }, timeZone),
    // The same time of day as the first one, however long that day is.
    toMs: endMsOf({ ...last, date: date.add({ days: lengthDays }) }, timeZone),
    reason,
  });
  const dates = blackout.repeats ? datesOf(first.date, blackout.repeats, fromMs, lengthDays, timeZone) : [first.date];
  const spans: BlackoutSpan[] = [];
  for (const date of dates) {
    const span = spanOn(date);
    if (span.fromMs >= toMs || span.fromMs > (blackout.repeats?.untilMs ?? Infinity)) break;
    if (span.toMs <= fromMs || span.fromMs >= span.toMs) continue;
    if (!blackout.repeats?.exceptMs.includes(span.fromMs)) spans.push(span);
  }
  return spans;
}

/** The days on which it begins, in order; those that are long over may be left out, unless they have to be counted. */
function* datesOf(
  first: Temporal.PlainDate,
  repeats: Repeats,
  fromMs: number,
  lengthDays: number,
  timeZone: string,
): Generator<Temporal.PlainDate> {
  const { every, interval, count } = repeats;
  const sinceDays = first.until(dateAt(fromMs - (lengthDays + 2) * dayMs, timeZone)).days;
  const skipped = Math.floor(sinceDays / (unitDaysMost[every] * interval)) - 1;
  let number = 0;
  for (let turn = count === undefined ? Math.max(0, skipped) : 0; turn < occurrencesMax; turn += 1) {
    for (const date of datesOfTurn(first, repeats, turn)) {
      number += 1;
      if (count !== undefined && number > count) return;
      yield date;
    }
  }
}

function datesOfTurn(first: Temporal.PlainDate, repeats: Repeats, turn: number): Temporal.PlainDate[] {
  const { every, interval, weekdays } = repeats;
  const steps = turn * interval;
  if (every === 'week' && weekdays !== undefined) {
    const monday = first.subtract({ days: first.dayOfWeek - 1 }).add({ weeks: steps });
    const days = weekdays.map((weekday) => monday.add({ days: weekday - 1 }));
    return days.filter((date) => Temporal.PlainDate.compare(date, first) >= 0);
  }
  const date = first.add({ [`${every}s`]: steps });
  // The 31st of a month that has none, 29 February: then there is none that month or year.
  return every === 'day' || every === 'week' || date.day === first.day ? [date] : [];
}
