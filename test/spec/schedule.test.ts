import { describe, expect, test } from 'vitest';
import { attachedFiles } from '../../src/spec/attachments.ts';
import type { Attachments } from '../../src/spec/attachments.ts';
import { scheduleOf } from '../../src/spec/plan-schedule.ts';
import { describeProblem } from '../../src/spec/problem.ts';
import { parseTexts, plan, problemsIn } from './documents.ts';

const night = '{ opens: "0 22 * * SAT", lasts: 6h, timeZone: Europe/Berlin }';

function withSchedule(text: string): string {
  return `${plan}  schedule: ${text}\n`;
}

function scheduleIn(text: string, attachments?: Attachments) {
  const { plans, problems } = parseTexts({ plan: withSchedule(text) }, attachments);
  expect(problems).toEqual([]);
  const schedule = plans[0]?.spec.schedule;
  if (!schedule) throw new Error('the plan has no schedule');
  return scheduleOf(schedule);
}

function windows(text: string): string {
  return `{ windows: [ ${text} ] }`;
}

function blackouts(text: string): string {
  return `{ windows: [ ${night} ], blackouts: [ ${text} ] }`;
}

function calendar(event: string): string {
  return `BEGIN:VCALENDAR\nBEGIN:VEVENT\n${event}\nEND:VEVENT\nEND:VCALENDAR\n`;
}

function given(content: string): Attachments {
  return new Map([['days/off.ics', { text: content }]]);
}

function attachedTo(schedule: string) {
  return attachedFiles([{ path: 'plans/weekly.yaml', text: withSchedule(schedule) }]);
}

describe('a schedule', () => {
  test('says when, how long and where; nothing starts by itself unless it is said', () => {
    expect(scheduleIn(`{ windows: [ ${night} ] }`)).toMatchObject({
      windows: [{ opens: { text: '0 22 * * SAT', weekdays: [6] }, lastsMs: 21_600_000, timeZone: 'Europe/Berlin' }],
      blackouts: [],
      startAutomatically: false,
      estimateMs: 1_800_000,
    });
  });
  test('has blackouts, an estimate and a start of its own', () => {
    const freeze = '{ from: 2026-12-19, to: 2027-01-06T06:00, timeZone: Europe/Berlin, reason: change freeze }';
    expect(
      scheduleIn(`{ windows: [ ${night} ], blackouts: [ ${freeze} ], startAutomatically: true, estimate: 20m }`),
    ).toMatchObject({
      blackouts: [{ from: '2026-12-19', to: '2027-01-06T06:00', timeZone: 'Europe/Berlin', reason: 'change freeze' }],
      startAutomatically: true,
      estimateMs: 1_200_000,
    });
  });
});

describe('what is wrong with it is said with its place', () => {
  const bad: [schedule: string, problem: string][] = [
    [
      windows(night.replace('0 22 * * SAT', '0 22 * * SAX')),
      'SAX  "SAX" is no weekday; it goes from 0 to 7, or SUN to SAT',
    ],
    [
      windows(night.replace('0 22 * * SAT', '0 0 30 2 *')),
      '30  no month that is meant has a day 30, so it never opens; look at day of the month and month',
    ],
    [windows(night.replace('"0 22 * * SAT"', '0 25 * * SAT')), '25  "25" is no hour; it goes from 0 to 23'],
    [
      windows(night.replace('0 22 * * SAT', '22 * * SAT')),
      '22 * * SAT  a cron line has five fields, not 4; for example "0 22 * * SAT": minute, hour, day of the month, month, weekday',
    ],
    [
      windows(night.replace('0 22', '* 22')),
      '"* 22 * * SAT"  warning: this opens anew every minute of its hours; write the minute first: "0 22 * * SAT"',
    ],
    [
      windows(night.replace('Berlin', 'Berlim')),
      'Europe/Berlim  there is no time zone "Europe/Berlim", did you mean "Europe/Berlin"?',
    ],
    [
      windows(night.replace('Europe/Berlin', 'EST')),
      'EST  there is no time zone "EST"; write the IANA name of a place, such as Europe/Berlin, or UTC',
    ],
    [windows(night.replace('6h', '40d')), '40d  a window lasts 28 days at most'],
    [
      windows(night.replace('6h', 'six hours')),
      'six hours  "lasts" must be a length like "90m", "6h", "1h30m" or "2d", greater than zero, not "six hours"',
    ],
    [
      windows(night.replace('6h', '20m')),
      'windows  no window is long enough for one server, which is estimated at 30 min; let a window last longer, or say with "estimate" how long a server takes',
    ],
    [
      `{ windows: [ ${night} ], estimate: 7h }`,
      '7h  no window is long enough for one server, which is estimated at 420 min; let a window last longer, or say with "estimate" how long a server takes',
    ],
    [
      blackouts('{ from: 2026-12-19, to: 2026-12-18, timeZone: UTC }'),
      '2026-12-18  this blackout ends before it begins',
    ],
    [
      blackouts('{ from: 2026-02-30, to: 2026-12-18, timeZone: UTC }'),
      '2026-02-30  there is no such day or time: 2026-02-30',
    ],
    [
      blackouts('{ from: tomorrow, to: 2026-12-18, timeZone: UTC }'),
      'tomorrow  "from" must be a date like 2026-12-19, or a time like 2026-12-19T22:00, not "tomorrow"',
    ],
    [
      blackouts('{ from: 2026-12-19, to: 2036-01-06, timeZone: UTC }'),
      'blackouts  warning: blackouts cover every window for more than a year from 2026-12-19 on; look at the years',
    ],
    [
      blackouts('{ from: 2026-12-19, to: 2926-01-06, timeZone: UTC }'),
      'blackouts  blackouts cover every window from 2026-12-19 on, so no server could ever start; look at the years',
    ],
    [`{ windows: [ ${night} ], blackout: [] }`, 'blackout  unknown key "blackout", did you mean "blackouts"?'],
    [
      '{ windows: [ { opens: "0 * * * *", lasts: 1h, timeZone: UTC } ], startAutomatically: true }',
      'true  these windows run into each other without end, so there is no opening to start at; leave a gap between them, or start the plan by hand',
    ],
  ];
  test.each(bad)('%s', (schedule, problem) => {
    const { problems } = parseTexts({ plan: withSchedule(schedule) });
    expect(problems.map((one) => describeProblem(one).replace(/^plan.yaml:7:\d+/, one.text))).toEqual([problem]);
  });

  test('a freeze over Christmas covers nobody’s windows for long', () => {
    expect(
      problemsIn({ plan: withSchedule(blackouts('{ from: 2026-12-19, to: 2027-01-06, timeZone: UTC }')) }),
    ).toEqual([]);
  });
  test('a window that opens on leap days only is rare, and no mistake', () => {
    const leap = windows(night.replace('0 22 * * SAT', '0 22 29 2 *'));
    expect(problemsIn({ plan: withSchedule(leap) })).toEqual([]);
  });
});

describe('a calendar beside the plan', () => {
  const text = `{ windows: [ ${night} ], blackouts: [ { ical: days/off.ics, timeZone: Europe/Berlin } ] }`;

  test('is asked for beside the plan, and never outside of its folder', () => {
    expect(attachedTo(text)).toEqual([{ path: 'plans/days/off.ics', folder: 'plans/' }]);
    expect(attachedTo(text.replace('days/off.ics', '../off.ics'))).toEqual([]);
  });
  test('becomes blackouts, each told by its summary', () => {
    const read = scheduleIn(text, given(calendar('SUMMARY:Inventur\nDTSTART;VALUE=DATE:20261219')));
    expect(read.blackouts).toEqual([
      { from: '2026-12-19', to: '2026-12-19', timeZone: 'Europe/Berlin', reason: 'Inventur' },
    ]);
  });
  test('that cannot be read, or not be understood, is an error', () => {
    expect(problemsIn({ plan: withSchedule(text) })).toEqual([
      'plan.yaml:7:112  cannot read days/off.ics: it was not given',
    ]);
    expect(problemsIn({ plan: withSchedule(text) }, given(calendar('DTSTART:x')))).toEqual([
      'plan.yaml:7:112  days/off.ics:3: DTSTART is no date: x',
    ]);
    expect(problemsIn({ plan: withSchedule(text) }, given('BEGIN:VCALENDAR\nEND:VCALENDAR\n'))).toEqual([
      'plan.yaml:7:112  warning: days/off.ics holds no event',
    ]);
  });
});
