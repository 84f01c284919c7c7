/**
 * Text that fits a terminal: widths of characters, cutting, wrapping, tables, lengths and times of day.
 *
 * Pure. It also takes out whatever could steer the terminal: much of what is shown was written by servers, BMCs and
 * other people.
 */
import { stripVTControlCharacters } from 'node:util';
import { paint, type Style } from './paint.ts';

/** What every renderer is told about the place it draws for. */
export interface View {
  readonly nowMs: number;
  /** In columns. */
  readonly width: number;
  readonly color: boolean;
  /** IANA name; times of day are shown in it. */
  readonly timeZone: string;
}

/** Made when the first text is not plain: it takes longer to make than many a command. */
let graphemes: Intl.Segmenter | undefined;

function segmentsOf(text: string): Intl.Segments {
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return graphemes.segment(text);
}

const wide =
  /^[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|^[\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]|^\p{Emoji_Presentation}|^\p{Emoji}\uFE0F/u;
const invisible = /^[\p{Mark}\u200B-\u200F\u2060\uFEFF]+$/u;
// Direction overrides let a text look like another one.
const steering = /[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu;

/** One line without anything that moves the cursor, colours, or turns the direction of reading. */
export function clean(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\s*[\r\n]+\s*/g, ' ')
    .replaceAll(/\t/g, ' ')
    .replaceAll(steering, '');
}

/** Columns that a text takes. */
export function widthOf(text: string): number {
  // Most of what is shown is plain, and then columns are characters.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of segmentsOf(text)) columns += widthOfGrapheme(segment);
  return columns;
}

function widthOfGrapheme(grapheme: string): number {
  if (invisible.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}

/** At most `width` columns; what is cut off is marked with `…`. */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return width <= 0 ? '' : `${take(text, width - 1).trimEnd()}…`;
}

function take(text: string, width: number): string {
  let columns = 0;
  let end = 0;
  for (const { segment, index } of segmentsOf(text)) {
    columns += widthOfGrapheme(segment);
    if (columns > width) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}

export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + space : space + text;
}

/** Words on lines of at most `width` columns; a word that is longer than a line is broken. */
export function wrap(text: string, width: number): string[] {
  const room = Math.max(1, width);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) <= room) {
      line = `${line} ${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    const parts = breakWord(word, room);
    line = parts.pop() ?? '';
    lines.push(...parts);
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

function breakWord(word: string, room: number): string[] {
  const parts: string[] = [];
  let rest = word;
  while (widthOf(rest) > room) {
    // A character that is wider than the line still has to go somewhere.
    const part = take(rest, room) || rest;
    parts.push(part);
    rest = rest.slice(part.length);
  }
  return [...parts, rest];
}

/**
 * Segments joined by ` · `, on as many lines as they need: a line breaks between segments if it can. The first line
 * starts with `lead`, the others with as many blanks.
 */
export function wrapSegments(segments: readonly string[], lead: string, width: number): string[] {
  const indent = ' '.repeat(widthOf(lead));
  const room = Math.max(8, width - indent.length);
  const lines: string[] = [];
  let line = '';
  for (const segment of segments.filter((part) => part !== '')) {
    const joined = line === '' ? segment : `${line} · ${segment}`;
    if (widthOf(joined) <= room) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    const parts = wrap(segment, room);
    line = parts.pop() ?? '';
    lines.push(...parts);
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines.map((text, index) => (index === 0 ? lead : indent) + text);
}

export interface Cell {
  readonly text: string;
  readonly style?: Style | undefined;
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Gives way first when the table is too wide; the others keep their width as long as they can. */
  readonly flexible?: boolean;
}

const gap = '  ';
const flexibleMin = 12;

/** A head and rows whose columns line up, indented by one; every line is at most `view.width` columns wide. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], view: View): string[] {
  const texts = rows.map((row) => columns.map((_column, index) => clean(row[index]?.text ?? '')));
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...texts.map((row) => widthOf(row[index] ?? ''))),
  );
  narrow(widths, columns, view.width - 1 - gap.length * (columns.length - 1));
  const draw = (cells: readonly Cell[]): string =>
    ` ${columns
      .map((column, index) => {
        const width = widths[index] ?? 0;
        const cell = cells[index];
        const text = fit(cell?.text ?? '', width);
        const blanks = ' '.repeat(width - widthOf(text));
        const painted = paint(text, cell?.style, view.color);
        return column.align === 'right' ? blanks + painted : painted + blanks;
      })
      .join(gap)}`.trimEnd();
  const head = draw(columns.map(({ title }) => ({ text: title, style: 'dim' })));
  return [
    head,
    ...rows.map((row, at) => draw(row.map((cell, index) => ({ ...cell, text: texts[at]?.[index] ?? '' })))),
  ];
}

/** Takes width away until the columns fit: from the flexible ones first, then from whichever is widest. */
function narrow(widths: number[], columns: readonly Column[], room: number): void {
  for (;;) {
    const excess = widths.reduce((sum, width) => sum + width, 0) - room;
    if (excess <= 0) return;
    const flexible = widths.map((width, index) => (columns[index]?.flexible && width > flexibleMin ? width : 0));
    const candidates = flexible.some((width) => width > 0) ? flexible : widths;
    const widest = candidates.indexOf(Math.max(...candidates));
    const width = widths[widest] ?? 0;
    if (width <= 1) return;
    widths[widest] = width - 1;
  }
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** `48s`, `3m 10s`, `1h 02m`, `2d 03h`. */
export function duration(lengthMs: number): string {
  const seconds = Math.max(0, Math.floor(lengthMs / 1_000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

function zoned(atMs: number, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.trunc(atMs)).toZonedDateTimeISO(timeZone);
}

/** `22:04:10`. */
export function clockSeconds(atMs: number, timeZone: string): string {
  return zoned(atMs, timeZone).toPlainTime().toString({ smallestUnit: 'second' });
}

/** `Sat 28 Nov`. */
export function day(atMs: number, timeZone: string): string {
  const { dayOfWeek, day: dayOfMonth, month } = zoned(atMs, timeZone);
  const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  return `${weekdays[dayOfWeek - 1]} ${dayOfMonth} ${months[month - 1]}`;
}

/** `02:09` where it is less than half a day away, else `Sat 28 Nov 02:09`. */
export function moment(atMs: number, view: View): string {
  const time = zoned(atMs, view.timeZone).toPlainTime().toString({ smallestUnit: 'minute' });
  return Math.abs(atMs - view.nowMs) < 12 * 3_600_000 ? time : `${day(atMs, view.timeZone)} ${time}`;
}

/** `1,204`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 server`, `2 servers`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** rack2 before rack10. */
export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** Of a Git commit as much as people read. */
export function shortCommit(commit: string): string {
  return clean(commit).slice(0, 7);
}
