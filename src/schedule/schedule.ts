/**
 * When a plan's servers may start: openings of all its windows, united, less the blackouts. Pure.
 *
 * A window opens at the first valid instant at or after its wall-clock time, once, and lasts its length in elapsed
 * time; it is open at its opening instant and shut at its closing instant. It never says how long a server takes.
 */
import { blackoutSpans, type Blackout, type BlackoutSpan } from './blackouts.ts';
import { isCronDay, type Cron } from './cron.ts';
import { dateAt, dayStartMs, firstInstantMs } from './local-time.ts';

export interface Window {
  readonly opens: Cron;
  readonly lastsMs: number;
  readonly timeZone: string;
}

/** Data only: it is written into the journal with the run. */
export interface Schedule {
  readonly windows: readonly Window[];
  readonly blackouts: readonly Blackout[];
  readonly startAutomatically: boolean;
  /** How long one server is said to take, from its start to its end. */
  readonly estimateMs: number;
}

export interface Span {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

/** From the moment at which the first of the overlapping windows opens to the one at which the last one shuts. */
export interface Opening extends Span {
  /** Where it opens, for people. */
  readonly timeZone: string;
  /** What the blackouts leave of it, in order. */
  readonly open: readonly Span[];
  /** What takes something away from it, by time. */
  readonly blackouts: readonly BlackoutSpan[];
}

export type WindowState =
  | { readonly kind: 'open'; readonly opening: Opening; readonly span: Span }
  | { readonly kind: 'blackout'; readonly opening: Opening; readonly blackout: BlackoutSpan }
  | { readonly kind: 'shut' };

const dayMs = 86_400_000;
/** No single window may last longer, so that what is open now was opened within the days that are looked at. */
export const windowLastsMsMax = 28 * dayMs;
/** How far back and ahead windows are united. An opening that goes on for longer is shown as going on. */
const backMs = 60 * dayMs;
const aheadMs = 35 * dayMs;
/** 29 February, from 2096 to 2104, and some. */
const horizonMs = 10 * 366 * dayMs;

interface Piece extends Span {
  readonly timeZone: string;
}

/** The times that begin within `fromMs` … `toMs`, in order; those of one window that touch or overlap are one already. */
function piecesOf(window: Window, fromMs: number, toMs: number): Piece[] {
  const { lastsMs, timeZone } = window;
  const pieces: { fromMs: number; toMs: number; timeZone: string }[] = [];
  // A day more at either end: the first valid instant may lie on the next day.
  const last = dateAt(toMs, timeZone).toPlainYearMonth();
  let month = dateAt(fromMs - dayMs, timeZone).toPlainYearMonth();
  while (Temporal.PlainYearMonth.compare(month, last) <= 0) {
    for (const atMs of timesIn(window, month)) {
      if (atMs < fromMs || atMs >= toMs) continue;
      const before = pieces.at(-1);
      if (before && atMs <= before.toMs) before.toMs = atMs + lastsMs;
      else pieces.push({ fromMs: atMs, toMs: atMs + lastsMs, timeZone });
    }
    month = month.add({ months: 1 });
  }
  return pieces;
}

/** Windows are values: when one opens in a month is reckoned once. Calendars are slow, and a run asks every few seconds. */
const knownTimes = new WeakMap<Window, Map<string, readonly number[]>>();

function timesIn(window: Window, month: Temporal.PlainYearMonth): readonly number[] {
  const months = knownTimes.get(window) ?? new Map<string, readonly number[]>();
  knownTimes.set(window, months);
  const key = month.toString();
  const known = months.get(key);
  if (known) return known;
  const { opens, timeZone } = window;
  const days = opens.months.includes(month.month) ? month.daysInMonth : 0;
  const times = Array.from({ length: days }, (_, index) => month.toPlainDate({ day: index + 1 }))
    .filter((date) => isCronDay(opens, date))
    .flatMap((date) => timesOn(opens, date, timeZone));
  months.set(key, times);
  return times;
}

function timesOn({ hours, minutes }: Cron, date: Temporal.PlainDate, timeZone: string): number[] {
  const startMs = dayStartMs(date, timeZone);
  const isPlain = dayStartMs(date.add({ days: 1 }), timeZone) - startMs === dayMs;
  return hours.flatMap((hour) =>
    minutes.map((minute) =>
      // Only on the few days on which clocks are set does every time have to be asked for.
      isPlain
        ? startMs + (hour * 60 + minute) * 60_000
        : firstInstantMs(date.toPlainDateTime({ hour, minute }), timeZone),
    ),
  );
}

function unite(pieces: readonly Piece[]): Piece[] {
  const united: Piece[] = [];
  for (const piece of [...pieces].sort((a, b) => a.fromMs - b.fromMs || b.toMs - a.toMs)) {
    const before = united.at(-1);
    if (before && piece.fromMs <= before.toMs) {
      united[united.length - 1] = { ...before, toMs: Math.max(before.toMs, piece.toMs) };
    } else united.push(piece);
  }
  return united;
}

function subtract(span: Span, taken: readonly Span[]): Span[] {
  let left: Span[] = [{ fromMs: span.fromMs, toMs: span.toMs }];
  for (const { fromMs, toMs } of taken) {
    left = left.flatMap((part) => [
      { fromMs: part.fromMs, toMs: Math.min(part.toMs, fromMs) },
      { fromMs: Math.max(part.fromMs, toMs), toMs: part.toMs },
    ]);
    left = left.filter((part) => part.fromMs < part.toMs);
  }
  return left;
}

function piecesBetween(schedule: Schedule, fromMs: number, toMs: number): Piece[] {
  return unite(schedule.windows.flatMap((window) => piecesOf(window, fromMs, toMs)));
}

/** Mostly a few days tell; only where something is open at an edge is it looked at how far that goes. */
function piecesOverlapping(schedule: Schedule, fromMs: number, toMs: number): Piece[] {
  const isWanted = (piece: Piece): boolean => piece.toMs > fromMs && piece.fromMs < toMs;
  const lastsMs = Math.max(...schedule.windows.map((window) => window.lastsMs));
  const near = piecesBetween(schedule, fromMs - lastsMs, toMs).filter(isWanted);
  const [first, last] = [near[0], near.at(-1)];
  if (!first || !last) return [];
  // One that was opened before may reach to its beginning, one that is opened later to its end.
  if (first.fromMs > fromMs && last.toMs < toMs) return near;
  return piecesBetween(schedule, fromMs - backMs, toMs + aheadMs).filter(isWanted);
}

/** Every opening that overlaps `fromMs` … `toMs`, in order. */
export function openingsBetween(schedule: Schedule, fromMs: number, toMs: number): Opening[] {
  const pieces = piecesOverlapping(schedule, fromMs, toMs);
  const [first, last] = [pieces[0], pieces.at(-1)];
  if (!first || !last) return [];
  const blackouts = schedule.blackouts
    .flatMap((blackout) => blackoutSpans(blackout, first.fromMs, last.toMs))
    .sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
  return pieces.map((piece) => {
    const taken = blackouts.filter((span) => span.fromMs < piece.toMs && span.toMs > piece.fromMs);
    return { ...piece, open: subtract(piece, taken), blackouts: taken };
  });
}

export function stateAt(schedule: Schedule, nowMs: number): WindowState {
  const [opening] = openingsBetween(schedule, nowMs, nowMs + 1);
  if (!opening) return { kind: 'shut' };
  const isNow = ({ fromMs, toMs }: Span): boolean => fromMs <= nowMs && nowMs < toMs;
  const span = opening.open.find(isNow);
  if (span) return { kind: 'open', opening, span };
  // Of several at once the one that ends last is what keeps it shut.
  const blackout = opening.blackouts.filter(isNow).sort((a, b) => b.toMs - a.toMs)[0];
  return blackout ? { kind: 'blackout', opening, blackout } : { kind: 'shut' };
}

/** Openings that are not over yet, in order, for as far as anybody plans: ten years, or as many as are wanted. */
export function* openingsFrom(schedule: Schedule, nowMs: number): Generator<Opening> {
  let seenMs = Number.NEGATIVE_INFINITY;
  let fromMs = nowMs;
  for (let stepMs = 14 * dayMs; fromMs < nowMs + horizonMs; stepMs *= 2) {
    for (const opening of openingsBetween(schedule, fromMs, fromMs + stepMs)) {
      // One that reaches over the edge was seen already, as far as it could be seen then.
      const isNew = opening.fromMs > seenMs;
      seenMs = Math.max(seenMs, opening.toMs);
      if (isNew) yield opening;
    }
    fromMs += stepMs;
  }
}

export interface Start {
  /** Now, or when the window opens. */
  readonly atMs: number;
  readonly span: Span;
  readonly opening: Opening;
}

/** The first moment from now on at which a server may start that takes so long; `undefined`: not within ten years. */
export function nextStart(schedule: Schedule, nowMs: number, takesMs: number): Start | undefined {
  for (const opening of openingsFrom(schedule, nowMs)) {
    for (const span of opening.open) {
      const atMs = Math.max(nowMs, span.fromMs);
      if (atMs + Math.max(1, takesMs) <= span.toMs) return { atMs, span, opening };
    }
  }
  return undefined;
}
