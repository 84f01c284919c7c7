/**
 * Cron lines of five fields: which days, hours and minutes are meant. Pure.
 *
 * It decides what a line says and says where a wrong one is wrong; it knows nothing of time zones. A field is *given*
 * unless it is exactly `*`; where day of month and weekday are both given, either is enough.
 */

export interface Cron {
  readonly text: string;
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** Left out: not given. */
  readonly daysOfMonth?: readonly number[] | undefined;
  readonly months: readonly number[];
  /** 1 is Monday, 7 is Sunday. Left out: not given. */
  readonly weekdays?: readonly number[] | undefined;
}

export interface CronFault {
  /** Where in the line. */
  readonly offset: number;
  readonly length: number;
  readonly message: string;
  readonly hint?: string | undefined;
}

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  /** In their order, from `least` on. */
  readonly names: readonly string[];
}

const fields: readonly [Field, Field, Field, Field, Field] = [
  { name: 'minute', least: 0, most: 59, names: [] },
  { name: 'hour', least: 0, most: 23, names: [] },
  { name: 'day of the month', least: 1, most: 31, names: [] },
  {
    name: 'month',
    least: 1,
    most: 12,
    names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  },
  { name: 'weekday', least: 0, most: 7, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] },
];

const monthDaysMost = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const example = 'for example "0 22 * * SAT": minute, hour, day of the month, month, weekday';

type Parsed<T> = { readonly value: T } | { readonly fault: CronFault };

export function parseCron(text: string): { readonly cron: Cron } | { readonly fault: CronFault } {
  const words = [...text.matchAll(/\S+/g)].map((match) => ({ word: match[0], offset: match.index }));
  const whole = { offset: 0, length: Math.max(1, text.length) };
  if (words.length !== fields.length) {
    const hint = words.length === 6 ? 'leave out the seconds' : example;
    return { fault: { ...whole, message: `a cron line has five fields, not ${words.length}`, hint } };
  }
  const sets: number[][] = [];
  for (const [index, field] of fields.entries()) {
    const { word = '', offset = 0 } = words[index] ?? {};
    const parsed = parseField(field, word, offset);
    if ('fault' in parsed) return parsed;
    sets.push(parsed.value);
  }
  const [minutes = [], hours = [], days = [], months = [], weekdays = []] = sets;
  const cron: Cron = {
    text,
    minutes,
    hours,
    months,
    ...(words[2]?.word === '*' ? {} : { daysOfMonth: days }),
    // 0 and 7 are both Sunday.
    ...(words[4]?.word === '*' ? {} : { weekdays: sorted(weekdays.map((day) => (day === 0 ? 7 : day))) }),
  };
  if (!isImpossible(cron)) return { cron };
  const { offset = 0, word = '' } = words[2] ?? {};
  const message = `no month that is meant has a day ${word}, so it never opens`;
  return { fault: { offset, length: word.length, message, hint: 'look at day of the month and month' } };
}

/** Day 30 of February, day 31 of April: only a weekday beside it could still be met. */
function isImpossible({ daysOfMonth, weekdays, months }: Cron): boolean {
  if (daysOfMonth === undefined || weekdays !== undefined) return false;
  return months.every((month) => daysOfMonth.every((day) => day > (monthDaysMost[month - 1] ?? 0)));
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function parseField(field: Field, word: string, offset: number): Parsed<number[]> {
  const values: number[] = [];
  let at = offset;
  for (const part of word.split(',')) {
    const parsed = parsePart(field, part, at);
    if ('fault' in parsed) return parsed;
    values.push(...parsed.value);
    at += part.length + 1;
  }
  return { value: sorted(values) };
}

/** `*`, `5`, `1-5`, `MON-FRI`, and with a step: any of them but a single value. */
function parsePart(field: Field, part: string, offset: number): Parsed<number[]> {
  const fail = (message: string, hint?: string): { fault: CronFault } => ({
    fault: { offset, length: Math.max(1, part.length), message, hint },
  });
  if (part === '') return fail(`an entry of the ${field.name} is missing`, 'is there a comma too many?');
  const match = /^(?:(\*)|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:\/([0-9]+))?$/i.exec(part);
  if (!match) return fail(`"${part}" is no ${field.name}`, 'written with numbers, names, "*", "-", "/" and ","');
  const [, star, first = '', last, step] = match;
  const from = star === undefined ? valueOf(field, first, 'first') : field.least;
  const to = star === undefined ? valueOf(field, last ?? first, last === undefined ? 'first' : 'last') : field.most;
  const wrong = from === undefined ? first : to === undefined ? (last ?? first) : undefined;
  if (from === undefined || to === undefined) return fail(`"${wrong}" is no ${field.name}`, rangeOf(field));
  if (step !== undefined && star === undefined && last === undefined) {
    return fail(`a step needs a range before it`, `write ${first}-${field.most}/${step}`);
  }
  if (from > to) return fail(`"${part}" runs backwards`, `write it as two: ${first}-${nameOf(field)},…`);
  const stride = Number(step ?? 1);
  if (stride < 1 || (step !== undefined && stride > to - from)) {
    return fail(`a step of ${stride} does not fit into ${from} to ${to}`);
  }
  const values: number[] = [];
  for (let value = from; value <= to; value += stride) values.push(value);
  return { value: values };
}

function rangeOf({ least, most, names }: Field): string {
  const named = names.length > 0 ? `, or ${names[0]} to ${names.at(-1)}` : '';
  return `it goes from ${least} to ${most}${named}`;
}

function nameOf({ names, most }: Field): string {
  return names.at(-1) ?? String(most);
}

/** The last of a range may be SUN: FRI-SUN is 5 to 7. */
function valueOf({ least, most, names }: Field, text: string, place: 'first' | 'last'): number | undefined {
  if (/^[0-9]+$/.test(text)) {
    const value = Number(text);
    return value >= least && value <= most ? value : undefined;
  }
  const index = names.indexOf(text.toUpperCase());
  if (index === -1) return undefined;
  return text.toUpperCase() === 'SUN' && place === 'last' ? 7 : index + least;
}

export function isCronDay(cron: Cron, date: Temporal.PlainDate): boolean {
  if (!cron.months.includes(date.month)) return false;
  const { daysOfMonth, weekdays } = cron;
  if (daysOfMonth === undefined && weekdays === undefined) return true;
  return Boolean(daysOfMonth?.includes(date.day)) || Boolean(weekdays?.includes(date.dayOfWeek));
}
