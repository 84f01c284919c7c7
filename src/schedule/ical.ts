/**
 * Blackouts from an iCalendar file: every VEVENT is a time in which nothing may start. Pure.
 *
 * A stated subset of RFC 5545: DTSTART with DTEND or DURATION, whole days, UTC, local times with an IANA zone, RRULE with
 * FREQ, INTERVAL, COUNT, UNTIL and (of a week) BYDAY, EXDATE, RECURRENCE-ID, STATUS:CANCELLED. Whatever else would change
 * when an event takes place is an error: a holiday that is silently left out would be worse than none.
 */
import type { Blackout, Repeats } from './blackouts.ts';
import { dayStartMs, firstInstantMs, isTimeZone } from './local-time.ts';

interface CalendarFault {
  readonly line: number;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface Calendar {
  readonly blackouts: readonly Blackout[];
  readonly faults: readonly CalendarFault[];
}

interface Property {
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly value: string;
  readonly line: number;
}

interface Moment {
  readonly date: Temporal.PlainDate;
  /** Undefined: a whole day. */
  readonly time: Temporal.PlainTime | undefined;
  readonly timeZone: string;
}

interface CalendarEvent {
  readonly uid: string;
  readonly blackout: Blackout;
  /** The beginning of the occurrence that it stands for instead. */
  readonly replacesMs?: number | undefined;
}

class Fault extends Error {
  readonly fault: CalendarFault;

  constructor(line: number, message: string, hint?: string) {
    super(message);
    this.fault = { line, message, hint };
  }
}

/** `timeZone`: of whole days and of times that name no zone. */
export function readCalendar(text: string, timeZone: string): Calendar {
  const lines = unfold(text);
  if (lines[0]?.value !== 'VCALENDAR') {
    return {
      blackouts: [],
      faults: [{ line: 1, message: 'this is no iCalendar file: it begins with BEGIN:VCALENDAR' }],
    };
  }
  const events: CalendarEvent[] = [];
  const faults: CalendarFault[] = [];
  for (const properties of eventsIn(lines)) {
    try {
      if (find(properties, 'STATUS')?.value === 'CANCELLED') continue;
      events.push(readEvent(properties, timeZone));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error.fault);
    }
  }
  return { blackouts: events.map((event) => withoutReplaced(event, events)), faults };
}

/** Long lines go on in the next one, after a blank. */
function unfold(text: string): Property[] {
  const properties: Property[] = [];
  let current = '';
  let start = 1;
  for (const [index, line] of [...text.split(/\r?\n/), ''].entries()) {
    if (/^[ \t]/.test(line)) {
      current += line.slice(1);
      continue;
    }
    if (current.trim() !== '') properties.push(parseLine(current, start));
    current = line;
    start = index + 1;
  }
  return properties;
}

function parseLine(text: string, line: number): Property {
  const colon = /^(?:[^":]|"[^"]*")*:/.exec(text)?.[0].length ?? text.length + 1;
  const [name = '', ...parameters] = text.slice(0, colon - 1).split(';');
  const pairs = parameters.map((parameter): [string, string] => {
    const [key = '', value = ''] = parameter.split('=');
    return [key.toUpperCase(), value.replaceAll('"', '')];
  });
  return { name: name.toUpperCase(), parameters: Object.fromEntries(pairs), value: text.slice(colon).trim(), line };
}

/** What stands in a VALARM inside of an event is no part of it. */
function eventsIn(lines: readonly Property[]): Property[][] {
  const events: Property[][] = [];
  const open: string[] = [];
  for (const line of lines) {
    if (line.name === 'BEGIN') open.push(line.value.toUpperCase());
    if (line.name === 'BEGIN' && open.at(-1) === 'VEVENT') events.push([]);
    else if (line.name === 'END') open.pop();
    if (open.at(-1) === 'VEVENT') events.at(-1)?.push(line);
  }
  return events;
}

function find(properties: readonly Property[], name: string): Property | undefined {
  return properties.find((property) => property.name === name);
}

function readEvent(properties: readonly Property[], timeZone: string): CalendarEvent {
  const start = find(properties, 'DTSTART');
  if (!start) throw new Fault(properties[0]?.line ?? 1, 'this event has no DTSTART');
  const dates = find(properties, 'RDATE');
  if (dates) throw new Fault(dates.line, 'RDATE is not supported', 'write its dates as events of their own');
  const from = readMoment(start, start.value, timeZone);
  const to = readEnd(properties, start, from, timeZone);
  const summary = find(properties, 'SUMMARY')?.value ?? '';
  const rule = find(properties, 'RRULE');
  const replaces = find(properties, 'RECURRENCE-ID');
  const excepted = properties
    .filter(({ name }) => name === 'EXDATE')
    .flatMap((property) => property.value.split(',').map((value) => startOf(readMoment(property, value, timeZone))));
  return {
    uid: find(properties, 'UID')?.value ?? '',
    blackout: {
      from: textOf(from),
      to: textOf(to),
      timeZone: from.timeZone,
      reason: summary.replaceAll(/\\n/gi, ' ').replaceAll(/\\(.)/g, '$1'),
      ...(rule ? { repeats: { ...readRule(rule, from), exceptMs: excepted } } : {}),
    },
    ...(replaces ? { replacesMs: startOf(readMoment(replaces, replaces.value, timeZone)) } : {}),
  };
}

function withoutReplaced({ uid, blackout }: CalendarEvent, events: readonly CalendarEvent[]): Blackout {
  const { repeats } = blackout;
  if (!repeats) return blackout;
  const replaced = events.flatMap((other) =>
    other.uid === uid && other.replacesMs !== undefined ? [other.replacesMs] : [],
  );
  return { ...blackout, repeats: { ...repeats, exceptMs: [...repeats.exceptMs, ...replaced] } };
}

/** `20261224`, `20261224T180000`, `20261224T180000Z`. */
function readMoment({ line, parameters, name }: Property, value: string, timeZone: string): Moment {
  const match = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(value.trim());
  const [, year, month, day, hour, minute, second, zulu] = match ?? [];
  const zone = zulu === 'Z' ? 'UTC' : (parameters['TZID'] ?? timeZone);
  if (!isTimeZone(zone)) {
    throw new Fault(line, `"${zone}" is no time zone`, 'export it with an IANA zone, such as Europe/Berlin, or in UTC');
  }
  try {
    const date = Temporal.PlainDate.from(`${year}-${month}-${day}`);
    if (hour === undefined) return { date, time: undefined, timeZone: zone };
    return { date, time: Temporal.PlainTime.from(`${hour}:${minute}:${second}`), timeZone: zone };
  } catch {
    throw new Fault(line, `${name} is no date: ${value.slice(0, 40)}`);
  }
}

function startOf({ date, time, timeZone }: Moment): number {
  return time === undefined ? dayStartMs(date, timeZone) : firstInstantMs(date.toPlainDateTime(time), timeZone);
}

function textOf({ date, time }: Moment): string {
  return time === undefined ? date.toString() : `${date.toString()}T${time.toString({ smallestUnit: 'second' })}`;
}

/** DTEND is exclusive; a whole day ends with the day before it. Without an end a whole day lasts one day. */
function readEnd(properties: readonly Property[], start: Property, from: Moment, timeZone: string): Moment {
  const end = find(properties, 'DTEND');
  const length = find(properties, 'DURATION');
  const { line } = end ?? length ?? start;
  const exclusive = end ? inZone(readMoment(end, end.value, timeZone), from.timeZone) : afterLength(length, from, line);
  if ((exclusive.time === undefined) !== (from.time === undefined)) {
    throw new Fault(line, 'DTSTART and DTEND must both be dates, or both times of day');
  }
  const to = from.time === undefined ? { ...exclusive, date: exclusive.date.subtract({ days: 1 }) } : exclusive;
  const isEmpty = from.time === undefined ? textOf(to) < textOf(from) : startOf(to) <= startOf(from);
  if (isEmpty) throw new Fault(line, 'this event ends before it begins, or lasts no time');
  return to;
}

/** The end may be given in another zone than the beginning. */
function inZone(moment: Moment, timeZone: string): Moment {
  if (moment.time === undefined || moment.timeZone === timeZone) return moment;
  const zoned = Temporal.Instant.fromEpochMilliseconds(startOf(moment)).toZonedDateTimeISO(timeZone);
  return { date: zoned.toPlainDate(), time: zoned.toPlainTime(), timeZone };
}

function afterLength(property: Property | undefined, from: Moment, line: number): Moment {
  if (!property && from.time !== undefined) throw new Fault(line, 'this event has neither DTEND nor DURATION');
  try {
    const length = Temporal.Duration.from(property?.value ?? 'P1D');
    if (from.time === undefined) return { ...from, date: from.date.add(length) };
    const end = from.date.toPlainDateTime(from.time).toZonedDateTime(from.timeZone).add(length);
    return { date: end.toPlainDate(), time: end.toPlainTime(), timeZone: from.timeZone };
  } catch {
    throw new Fault(line, `DURATION is no length: ${property?.value.slice(0, 40)}`);
  }
}

const units = { DAILY: 'day', WEEKLY: 'week', MONTHLY: 'month', YEARLY: 'year' } as const;
const dayCodes = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'];

function readRule(rule: Property, from: Moment): Omit<Repeats, 'exceptMs'> {
  const parts = Object.fromEntries(
    rule.value.split(';').map((part): [string, string] => {
      const [key = '', value = ''] = part.toUpperCase().split('=');
      return [key, value];
    }),
  );
  const every = Object.entries(units).find(([code]) => code === parts['FREQ'])?.[1];
  const unsupported = Object.keys(parts).find((key) => !isUnderstood(key, parts[key] ?? '', from, every));
  if (every === undefined || unsupported !== undefined) {
    const what = `${unsupported ?? 'FREQ'}=${parts[unsupported ?? 'FREQ'] ?? ''}`;
    throw new Fault(
      rule.line,
      `this version does not understand ${what} in RRULE`,
      'write its dates as events of their own',
    );
  }
  const { COUNT: count, UNTIL: until, BYDAY: days, INTERVAL: interval } = parts;
  const weekdays = days?.split(',').map((code) => dayCodes.indexOf(code) + 1);
  if (weekdays && !weekdays.includes(from.date.dayOfWeek)) {
    throw new Fault(rule.line, `the first day is not one of BYDAY=${days}`, 'let DTSTART be the first of its days');
  }
  return {
    every,
    interval: Number(interval ?? 1),
    ...(weekdays ? { weekdays: weekdays.sort((a, b) => a - b) } : {}),
    ...(count === undefined ? {} : { count: Number(count) }),
    ...(until === undefined ? {} : { untilMs: lastStartOf(readMoment(rule, until, from.timeZone)) }),
  };
}

/** UNTIL is inclusive, a date with its whole day. */
function lastStartOf(until: Moment): number {
  const { date, time } = until;
  return time === undefined ? startOf({ ...until, date: date.add({ days: 1 }) }) - 1 : startOf(until);
}

/** BYMONTH and BYMONTHDAY are written by some programs although they only repeat what DTSTART says. */
function isUnderstood(key: string, value: string, from: Moment, every: Repeats['every'] | undefined): boolean {
  switch (key) {
    case 'FREQ':
    case 'UNTIL':
      return value !== '';
    case 'WKST':
      return value === 'MO';
    case 'INTERVAL':
    case 'COUNT':
      return /^[1-9]\d{0,4}$/.test(value);
    case 'BYDAY':
      return every === 'week' && value.split(',').every((code) => dayCodes.includes(code));
    case 'BYMONTH':
      return every === 'year' && value === String(from.date.month);
    case 'BYMONTHDAY':
      return (every === 'year' || every === 'month') && value === String(from.date.day);
    default:
      return false;
  }
}
