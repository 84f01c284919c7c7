import { describe, expect, test } from 'vitest';
import type { Blackout } from '../../src/schedule/blackouts.ts';
import { readCalendar } from '../../src/schedule/ical.ts';
import { nextStart, openingsBetween, stateAt } from '../../src/schedule/schedule.ts';
import { hourMs, ms, schedule, span, utc, window } from './schedules.ts';

function blackout(from: string, to: string, timeZone = 'Europe/Berlin'): Blackout {
  return { from, to, timeZone, reason: 'freeze' };
}

const saturday = window('0 22 * * SAT', 6);

/** What is left of the opening of Saturday 19 December 2026, 21:00Z to 03:00Z. */
function left(...blackouts: Blackout[]): string[] {
  const [opening] = openingsBetween(schedule([saturday], blackouts), ms('2026-12-19T12:00Z'), ms('2026-12-20T12:00Z'));
  return (opening?.open ?? []).map(span);
}

describe('a blackout takes away only its own time', () => {
  test('a `to` given as a date counts that whole day', () => {
    expect(left(blackout('2026-12-10', '2026-12-18'))).toEqual(['2026-12-19T21:00Z 2026-12-20T03:00Z']);
    expect(left(blackout('2026-12-10', '2026-12-19'))).toEqual(['2026-12-19T23:00Z 2026-12-20T03:00Z']);
    expect(left(blackout('2026-12-20', '2026-12-20'))).toEqual(['2026-12-19T21:00Z 2026-12-19T23:00Z']);
    expect(left(blackout('2026-12-19', '2027-01-06'))).toEqual([]);
  });
  test('a `to` with a time of day is the first moment that is free again', () => {
    expect(left(blackout('2026-12-19T23:00', '2026-12-20T01:30'))).toEqual([
      '2026-12-19T21:00Z 2026-12-19T22:00Z',
      '2026-12-20T00:30Z 2026-12-20T03:00Z',
    ]);
  });
  test('it is a time in its own zone', () => {
    expect(left(blackout('2026-12-19', '2026-12-19', 'UTC'))).toEqual(['2026-12-20T00:00Z 2026-12-20T03:00Z']);
  });
  test('overlapping ones take their time once', () => {
    expect(left(blackout('2026-12-19', '2026-12-19'), blackout('2026-12-19T23:00', '2026-12-20T01:00'))).toEqual([
      '2026-12-20T00:00Z 2026-12-20T03:00Z',
    ]);
  });
  test('an hour that comes twice is taken away twice', () => {
    const night = schedule([window('0 22 * * SAT', 8)], [blackout('2026-10-25T02:00', '2026-10-25T02:30')]);
    const [opening] = openingsBetween(night, ms('2026-10-24T12:00Z'), ms('2026-10-25T12:00Z'));
    expect(opening?.open.map(span)).toEqual([
      '2026-10-24T20:00Z 2026-10-25T00:00Z',
      '2026-10-25T01:30Z 2026-10-25T04:00Z',
    ]);
  });
  test('why nothing may start is known, and until when', () => {
    const frozen = schedule([saturday], [blackout('2026-12-19', '2026-12-19')]);
    const state = stateAt(frozen, ms('2026-12-19T22:00Z'));
    expect(state).toMatchObject({ kind: 'blackout', blackout: { reason: 'freeze', toMs: ms('2026-12-19T23:00Z') } });
    expect(utc(nextStart(frozen, ms('2026-12-19T22:00Z'), hourMs)?.atMs ?? 0)).toBe('2026-12-19T23:00Z');
  });
  test('one that covers everything leaves no start', () => {
    expect(
      nextStart(schedule([saturday], [blackout('2020-01-01', '2099-12-31')]), ms('2026-12-19T22:00Z'), 0),
    ).toBeUndefined();
  });
});

function calendar(...lines: string[]): string {
  return ['BEGIN:VCALENDAR', 'VERSION:2.0', 'BEGIN:VEVENT', ...lines, 'END:VEVENT', 'END:VCALENDAR', ''].join('\r\n');
}

function event(...lines: string[]): string[] {
  return ['BEGIN:VEVENT', ...lines, 'END:VEVENT'];
}

/** The days or times that a calendar takes away from windows that are always open, in one year. */
function taken(text: string, from = '2026-01-01T00:00Z', to = '2028-01-01T00:00Z'): string[] {
  const { blackouts, faults } = readCalendar(text, 'Europe/Berlin');
  expect(faults).toEqual([]);
  const daily = schedule([window('0 0 * * *', 24)], blackouts);
  const found = new Set<string>();
  for (const opening of openingsBetween(daily, ms(from), ms(to))) {
    for (const one of opening.blackouts) if (one.fromMs >= ms(from) && one.fromMs < ms(to)) found.add(span(one));
  }
  return [...found];
}

describe('a calendar file is blackouts', () => {
  test('a whole day, whose DTEND is exclusive, told by its summary', () => {
    const text = calendar(
      'SUMMARY:Heiligabend\\, halber Tag',
      'DTSTART;VALUE=DATE:20261224',
      'DTEND;VALUE=DATE:20261225',
    );
    expect(readCalendar(text, 'Europe/Berlin').blackouts).toEqual([
      { from: '2026-12-24', to: '2026-12-24', timeZone: 'Europe/Berlin', reason: 'Heiligabend, halber Tag' },
    ]);
    expect(taken(text)).toEqual(['2026-12-23T23:00Z 2026-12-24T23:00Z']);
  });
  test('a whole day without end lasts that day', () => {
    expect(taken(calendar('DTSTART;VALUE=DATE:20261224'))).toEqual(['2026-12-23T23:00Z 2026-12-24T23:00Z']);
  });
  test('times in UTC, in a zone, without a zone, with a length, folded lines', () => {
    expect(taken(calendar('DTSTART:20260701T100000Z', 'DTEND:20260701T120000Z'))).toEqual([
      '2026-07-01T10:00Z 2026-07-01T12:00Z',
    ]);
    expect(taken(calendar('DTSTART;TZID=America/New_York:20260701T100000', 'DURATION:PT1H30M'))).toEqual([
      '2026-07-01T14:00Z 2026-07-01T15:30Z',
    ]);
    expect(taken(calendar('DTSTART:20260701T1', ' 00000', 'DTEND;TZID=UTC:20260701T090000'))).toEqual([
      '2026-07-01T08:00Z 2026-07-01T09:00Z',
    ]);
  });
  test('every year, also on a leap day', () => {
    expect(taken(calendar('DTSTART;VALUE=DATE:20101225', 'RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25'))).toEqual([
      '2026-12-24T23:00Z 2026-12-25T23:00Z',
      '2027-12-24T23:00Z 2027-12-25T23:00Z',
    ]);
    const leap = calendar('DTSTART;VALUE=DATE:20240229', 'RRULE:FREQ=YEARLY');
    expect(taken(leap, '2024-03-01T00:00Z', '2029-01-01T00:00Z')).toEqual(['2028-02-28T23:00Z 2028-02-29T23:00Z']);
  });
  test('every other week on two days, until a day, but for one', () => {
    const text = calendar(
      'DTSTART;TZID=Europe/Berlin:20260602T200000',
      'DTEND;TZID=Europe/Berlin:20260602T210000',
      'RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;UNTIL=20260618',
      'EXDATE;TZID=Europe/Berlin:20260604T200000',
    );
    expect(taken(text)).toEqual([
      '2026-06-02T18:00Z 2026-06-02T19:00Z',
      '2026-06-16T18:00Z 2026-06-16T19:00Z',
      '2026-06-18T18:00Z 2026-06-18T19:00Z',
    ]);
  });
  test('so many times, at the same time of day over the switch', () => {
    const text = calendar(
      'DTSTART;TZID=Europe/Berlin:20261024T200000',
      'DTEND;TZID=Europe/Berlin:20261024T210000',
      'RRULE:FREQ=DAILY;COUNT=2',
    );
    expect(taken(text)).toEqual(['2026-10-24T18:00Z 2026-10-24T19:00Z', '2026-10-25T19:00Z 2026-10-25T20:00Z']);
  });
  test('the 31st of a month that has none is left out', () => {
    const text = calendar('DTSTART;VALUE=DATE:20260131', 'RRULE:FREQ=MONTHLY;COUNT=3');
    expect(taken(text).map((one) => one.slice(0, 10))).toEqual(['2026-01-30', '2026-03-30', '2026-05-30']);
  });
  test('an occurrence that was moved takes place where it was moved to; a cancelled event not at all', () => {
    const text = [
      'BEGIN:VCALENDAR',
      ...event(
        'UID:a',
        'DTSTART;VALUE=DATE:20260601',
        'RRULE:FREQ=DAILY;COUNT=2',
        'BEGIN:VALARM',
        'DURATION:PT5M',
        'END:VALARM',
      ),
      ...event('UID:a', 'RECURRENCE-ID;VALUE=DATE:20260602', 'DTSTART;VALUE=DATE:20260610'),
      ...event('UID:b', 'DTSTART;VALUE=DATE:20260701', 'STATUS:CANCELLED'),
      'END:VCALENDAR',
    ].join('\n');
    expect(
      taken(text)
        .map((one) => one.slice(0, 10))
        .sort((a, b) => (a < b ? -1 : 1)),
    ).toEqual(['2026-05-31', '2026-06-09']);
  });

  const bad: [lines: string[], line: number, message: RegExp][] = [
    [['SUMMARY:x'], 3, /no DTSTART/],
    [['DTSTART:20260701T100000Z'], 4, /neither DTEND nor DURATION/],
    [['DTSTART:20260231T100000Z', 'DTEND:20260701T100000Z'], 4, /no date/],
    [
      ['DTSTART;TZID=W. Europe Standard Time:20260701T100000', 'DURATION:PT1H'],
      4,
      /"W. Europe Standard Time" is no time zone/,
    ],
    [['DTSTART:20260701T100000Z', 'DTEND:20260701T100000Z'], 5, /lasts no time/],
    [['DTSTART:20260701T100000Z', 'DURATION:one hour'], 5, /no length/],
    [['DTSTART:20260701T100000Z', 'DTEND;VALUE=DATE:20260702'], 5, /both be dates/],
    [['DTSTART;VALUE=DATE:20261126', 'RRULE:FREQ=YEARLY;BYDAY=4TH'], 5, /does not understand BYDAY=4TH/],
    [['DTSTART;VALUE=DATE:20261126', 'RRULE:FREQ=HOURLY'], 5, /does not understand FREQ=HOURLY/],
    [['DTSTART;VALUE=DATE:20261126', 'RRULE:FREQ=WEEKLY;BYDAY=MO'], 5, /the first day is not one of BYDAY=MO/],
    [['DTSTART;VALUE=DATE:20261126', 'RDATE:20261127'], 5, /RDATE is not supported/],
  ];
  test.each(bad)('%j cannot be understood, and is never left out silently', (lines, line, message) => {
    const { faults } = readCalendar(calendar(...lines), 'Europe/Berlin');
    expect(faults).toHaveLength(1);
    expect(faults[0]?.message).toMatch(message);
    expect(faults[0]?.line).toBe(line);
  });
  test('another file is told to be another file', () => {
    expect(readCalendar('<html>', 'UTC').faults[0]?.message).toContain('no iCalendar file');
  });
});
