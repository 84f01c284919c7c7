import { describe, expect, test } from 'vitest';
import { nextStart, openingsBetween, openingsFrom, stateAt } from '../../src/schedule/schedule.ts';
import { sayMoment } from '../../src/schedule/words.ts';
import { first, hourMs, ms, schedule, span, utc, window } from './schedules.ts';

describe('an opening begins at the first valid instant at or after its wall-clock time, and lasts its length in elapsed time', () => {
  const table: [zone: string, opens: string, hours: number, from: string, spans: string[]][] = [
    // Berlin, clocks forward on 29 March 2026 from 02:00 to 03:00: 02:30 is not there.
    [
      'Europe/Berlin',
      '30 2 * * *',
      1,
      '2026-03-28T00:00Z',
      [
        '2026-03-28T01:30Z 2026-03-28T02:30Z',
        '2026-03-29T01:00Z 2026-03-29T02:00Z',
        '2026-03-30T00:30Z 2026-03-30T01:30Z',
      ],
    ],
    ['Europe/Berlin', '0 3 29 3 *', 1, '2026-03-28T00:00Z', ['2026-03-29T01:00Z 2026-03-29T02:00Z']],
    // A window of six hours over the switch: six hours, whatever the clock on the wall shows at its end.
    [
      'Europe/Berlin',
      '0 22 * * SAT',
      6,
      '2026-03-28T00:00Z',
      ['2026-03-28T21:00Z 2026-03-29T03:00Z', '2026-04-04T20:00Z 2026-04-05T02:00Z'],
    ],
    [
      'Europe/Berlin',
      '0 22 * * SAT',
      6,
      '2026-10-24T00:00Z',
      ['2026-10-24T20:00Z 2026-10-25T02:00Z', '2026-10-31T21:00Z 2026-11-01T03:00Z'],
    ],
    // Back on 25 October from 03:00 to 02:00: 02:30 comes twice, and opens once, at the first pass.
    [
      'Europe/Berlin',
      '30 2 * * *',
      0.5,
      '2026-10-24T00:00Z',
      [
        '2026-10-24T00:30Z 2026-10-24T01:00Z',
        '2026-10-25T00:30Z 2026-10-25T01:00Z',
        '2026-10-26T01:30Z 2026-10-26T02:00Z',
      ],
    ],
    [
      'America/New_York',
      '0 2 * * *',
      1,
      '2012-03-10T12:00Z',
      ['2012-03-11T07:00Z 2012-03-11T08:00Z', '2012-03-12T06:00Z 2012-03-12T07:00Z'],
    ],
    [
      'America/New_York',
      '0 1 * * *',
      1,
      '2012-11-04T00:00Z',
      ['2012-11-04T05:00Z 2012-11-04T06:00Z', '2012-11-05T06:00Z 2012-11-05T07:00Z'],
    ],
    // Lord Howe shifts by half an hour: forward on 4 October 2026 at 02:00, back on 5 April at 02:00.
    [
      'Australia/Lord_Howe',
      '15 2 * * *',
      1,
      '2026-10-03T12:00Z',
      ['2026-10-03T15:30Z 2026-10-03T16:30Z', '2026-10-04T15:15Z 2026-10-04T16:15Z'],
    ],
    [
      'Australia/Lord_Howe',
      '45 1 * * *',
      0.25,
      '2026-04-04T12:00Z',
      ['2026-04-04T14:45Z 2026-04-04T15:00Z', '2026-04-05T15:15Z 2026-04-05T15:30Z'],
    ],
    [
      'UTC',
      '30 2 29 3 *',
      6,
      '2026-01-01T00:00Z',
      ['2026-03-29T02:30Z 2026-03-29T08:30Z', '2027-03-29T02:30Z 2027-03-29T08:30Z'],
    ],
    ['America/Panama', '30 2 8 3 *', 6, '2026-01-01T00:00Z', ['2026-03-08T07:30Z 2026-03-08T13:30Z']],
    // No midnight: São Paulo on 4 November 2018, Cairo on 24 April 2026.
    [
      'America/Sao_Paulo',
      '0 0 * * *',
      2,
      '2018-11-03T12:00Z',
      ['2018-11-04T03:00Z 2018-11-04T05:00Z', '2018-11-05T02:00Z 2018-11-05T04:00Z'],
    ],
    [
      'Africa/Cairo',
      '30 0 * * FRI',
      2,
      '2026-04-23T12:00Z',
      ['2026-04-23T22:00Z 2026-04-24T00:00Z', '2026-04-30T21:30Z 2026-04-30T23:30Z'],
    ],
    // Leap days, with 2100 that has none.
    [
      'UTC',
      '0 0 29 2 *',
      1,
      '2026-01-01T00:00Z',
      ['2028-02-29T00:00Z 2028-02-29T01:00Z', '2032-02-29T00:00Z 2032-02-29T01:00Z'],
    ],
    ['UTC', '0 0 29 2 *', 1, '2096-03-01T00:00Z', ['2104-02-29T00:00Z 2104-02-29T01:00Z']],
    // Overnight: the day is the one on which it opens.
    [
      'Europe/Berlin',
      '0 21 * * FRI',
      8,
      '2026-11-13T00:00Z',
      ['2026-11-13T20:00Z 2026-11-14T04:00Z', '2026-11-20T20:00Z 2026-11-21T04:00Z'],
    ],
  ];
  test.each(table)('%s "%s" for %s h from %s', (zone, opens, hours, from, spans) => {
    const openings = first(openingsFrom(schedule([window(opens, hours, zone)]), ms(from)), spans.length);
    expect(openings.map(span)).toEqual(spans);
  });

  test('two wall-clock times in one gap open once', () => {
    const openings = openingsBetween(
      schedule([window('*/30 2 * * *', 0.25)]),
      ms('2026-03-28T23:00Z'),
      ms('2026-03-29T22:00Z'),
    );
    expect(openings.map(span)).toEqual(['2026-03-29T01:00Z 2026-03-29T01:15Z']);
  });
});

describe('edges', () => {
  const weekly = schedule([window('0 22 * * SAT', 6)]);
  const opens = ms('2026-11-28T21:00Z');
  const shuts = ms('2026-11-29T03:00Z');
  test('it is open at the opening instant and shut at the closing instant', () => {
    expect(stateAt(weekly, opens - 1).kind).toBe('shut');
    expect(stateAt(weekly, opens).kind).toBe('open');
    expect(stateAt(weekly, shuts - 1).kind).toBe('open');
    expect(stateAt(weekly, shuts).kind).toBe('shut');
  });
  test('a Friday window is open on Saturday at two and not on Friday at two', () => {
    const friday = schedule([window('0 21 * * FRI', 8)]);
    expect(stateAt(friday, ms('2026-11-14T01:00Z')).kind).toBe('open');
    expect(stateAt(friday, ms('2026-11-13T01:00Z')).kind).toBe('shut');
  });
  test('a server may start if it would end at the closing instant, and not a millisecond later', () => {
    expect(nextStart(weekly, shuts - hourMs, hourMs)?.atMs).toBe(shuts - hourMs);
    expect(utc(nextStart(weekly, shuts - hourMs + 1, hourMs)?.atMs ?? 0)).toBe('2026-12-05T21:00Z');
    expect(nextStart(weekly, opens, 6 * hourMs)?.atMs).toBe(opens);
    expect(nextStart(weekly, opens, 6 * hourMs + 1)).toBeUndefined();
  });
});

describe('overlapping windows are their union', () => {
  test('also over time zones, where one touches the other, and where one lies inside the other', () => {
    const both = schedule([
      window('0 22 * * SAT', 3),
      window('0 0 * * SUN', 6),
      window('0 5 * * SUN', 1, 'UTC'),
      window('30 22 * * SAT', 0.5),
    ]);
    const [opening, next] = first(openingsFrom(both, ms('2026-11-25T00:00Z')), 2);
    expect(opening && span(opening)).toBe('2026-11-28T21:00Z 2026-11-29T06:00Z');
    expect(next && utc(next.fromMs)).toBe('2026-12-05T21:00Z');
  });
  test('hour by hour, the hour that comes twice is open once', () => {
    const hourly = schedule([window('0 * * * *', 1)]);
    expect(stateAt(hourly, ms('2026-10-25T00:59Z')).kind).toBe('open');
    expect(stateAt(hourly, ms('2026-10-25T01:30Z')).kind).toBe('shut');
    expect(stateAt(hourly, ms('2026-10-25T02:00Z')).kind).toBe('open');
  });
  test('windows that never shut are open, and no later opening is made up', () => {
    const always = schedule([window('0 * * * *', 1, 'UTC')]);
    expect(stateAt(always, ms('2026-11-25T00:30Z')).kind).toBe('open');
    expect(first(openingsFrom(always, ms('2026-11-25T00:30Z')), 2)).toHaveLength(1);
    expect(nextStart(always, ms('2026-11-25T00:30Z'), 24 * hourMs)?.atMs).toBe(ms('2026-11-25T00:30Z'));
  });
});

describe('moments are told with the name of their time', () => {
  test.each([
    ['Europe/Berlin', '2026-11-28T21:00Z', 'Sat 28 Nov 22:00 CET'],
    ['Europe/Berlin', '2026-07-04T20:00Z', 'Sat 4 Jul 22:00 CEST'],
    ['America/New_York', '2026-11-28T21:00Z', 'Sat 28 Nov 16:00 EST'],
    ['Australia/Lord_Howe', '2026-07-04T20:00Z', 'Sun 5 Jul 06:30 LHST'],
    ['Asia/Tokyo', '2026-11-28T21:00Z', 'Sun 29 Nov 06:00 GMT+9'],
    ['UTC', '2026-11-28T21:00Z', 'Sat 28 Nov 21:00 UTC'],
  ])('%s %s', (zone, at, text) => {
    expect(sayMoment(ms(at), zone)).toBe(text);
  });
});
