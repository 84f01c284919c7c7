import { describe, expect, test } from 'vitest';
import { isCronDay, parseCron } from '../../src/schedule/cron.ts';
import { cron } from './schedules.ts';

describe('a field says which values are meant', () => {
  const lines: [line: string, meant: Record<string, number[]>][] = [
    ['0 22 * * SAT', { minutes: [0], hours: [22], weekdays: [6] }],
    ['0 22 * * 0', { weekdays: [7] }],
    ['0 22 * * 7', { weekdays: [7] }],
    ['0 22 * * sun', { weekdays: [7] }],
    ['0 22 * * FRI-SUN', { weekdays: [5, 6, 7] }],
    ['0 22 * * SUN-TUE', { weekdays: [1, 2, 7] }],
    ['0 22 * * MON,WED-FRI', { weekdays: [1, 3, 4, 5] }],
    [
      '*/20 8-12/2 1,15 JAN-MAR *',
      { minutes: [0, 20, 40], hours: [8, 10, 12], daysOfMonth: [1, 15], months: [1, 2, 3] },
    ],
    ['5,5,1 0 * * *', { minutes: [1, 5] }],
    ['  0   22 * *  SAT ', { hours: [22] }],
  ];
  test.each(lines)('%s', (line, meant) => {
    expect(cron(line)).toMatchObject(meant);
  });

  test('a field that is exactly "*" is not given', () => {
    expect(cron('0 0 * * *')).toEqual({
      text: '0 0 * * *',
      minutes: [0],
      hours: [0],
      months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    });
  });
});

describe('a wrong line says where it is wrong', () => {
  const lines: [line: string, offset: number, length: number, message: RegExp][] = [
    ['', 0, 1, /five fields, not 0/],
    ['0 22 * *', 0, 8, /five fields, not 4/],
    ['0 0 22 * * SAT', 0, 14, /five fields, not 6/],
    ['@weekly', 0, 7, /five fields, not 1/],
    ['60 22 * * SAT', 0, 2, /"60" is no minute/],
    ['0 24 * * SAT', 2, 2, /"24" is no hour/],
    ['0 22 0 * *', 5, 1, /"0" is no day of the month/],
    ['0 22 * 13 *', 7, 2, /"13" is no month/],
    ['0 22 * * SATURDAY', 9, 8, /"SATURDAY" is no weekday/],
    ['0 22 * * MON,SAX', 13, 3, /"SAX" is no weekday/],
    ['0 22 * * FRI-MON', 9, 7, /runs backwards/],
    ['0 22 L * *', 5, 1, /"L" is no day of the month/],
    ['0 22 * * SAT#1', 9, 5, /is no weekday/],
    ['0 22 ? * SAT', 5, 1, /is no day of the month/],
    ['5/10 22 * * *', 0, 4, /a step needs a range/],
    ['*/0 22 * * *', 0, 3, /a step of 0/],
    ['*/90 22 * * *', 0, 4, /a step of 90 does not fit/],
    ['0 22 1,,2 * *', 7, 1, /is missing/],
    ['-1 22 * * *', 0, 2, /is no minute/],
  ];
  test.each(lines)('%j', (line, offset, length, message) => {
    const parsed = parseCron(line);
    expect(parsed).toMatchObject({ fault: { offset, length } });
    expect('fault' in parsed && parsed.fault.message).toMatch(message);
  });
});

describe('a line that can never open is an error', () => {
  test.each(['0 0 30 2 *', '0 0 30,31 FEB *', '0 0 31 4,6,9,11 *'])('%s', (line) => {
    expect(parseCron(line)).toMatchObject({ fault: { offset: 4 } });
  });
  test.each(['0 0 29 2 *', '0 0 31 4,5 *', '0 0 30 2 MON'])('but %s can', (line) => {
    expect(parseCron(line)).toHaveProperty('cron');
  });
});

function on(line: string, date: string): boolean {
  return isCronDay(cron(line), Temporal.PlainDate.from(date));
}

describe('day of the month and weekday', () => {
  test('both given: either is enough', () => {
    // 2026-11-13 is a Friday.
    expect(on('0 0 13 * FRI', '2026-11-13')).toBe(true);
    expect(on('0 0 13 * FRI', '2026-11-20')).toBe(true);
    expect(on('0 0 13 * FRI', '2026-12-13')).toBe(true);
    expect(on('0 0 13 * FRI', '2026-12-14')).toBe(false);
  });
  test('one given: that one', () => {
    expect(on('0 0 13 * *', '2026-11-20')).toBe(false);
    expect(on('0 0 * * FRI', '2026-12-13')).toBe(false);
  });
  test('and only in a month that is meant', () => {
    expect(on('0 0 13 NOV FRI', '2026-12-13')).toBe(false);
    expect(on('0 0 13 NOV FRI', '2026-12-18')).toBe(false);
  });
});
