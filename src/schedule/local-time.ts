/**
 * Wall-clock times and instants: what a local time means on the days on which clocks are set. Pure.
 *
 * A time that does not exist means the first instant after it; of a time that comes twice, the first pass opens and the
 * second one ends.
 */

/** Area and city, or UTC: abbreviations such as EST are places without daylight saving, which nobody means. */
export function isTimeZone(id: string): boolean {
  if (id !== 'UTC' && !id.includes('/')) return false;
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(id).timeZoneId === id;
  } catch {
    return false;
  }
}

export function timeZones(): readonly string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone')];
}

/** `2026-12-19`, or `2026-12-19T22:00`, without offset. */
export function parseLocal(text: string): Temporal.PlainDate | Temporal.PlainDateTime | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?$/.test(text)) return undefined;
  try {
    return text.length === 10 ? Temporal.PlainDate.from(text) : Temporal.PlainDateTime.from(text);
  } catch {
    return undefined;
  }
}

/** The first valid instant at or after the wall-clock time; of two passes the first. */
export function firstInstantMs(wall: Temporal.PlainDateTime, timeZone: string): number {
  const earlier = wall.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  if (earlier.toPlainDateTime().equals(wall)) return earlier.epochMilliseconds;
  // In a gap: what it was resolved to lies before the clocks were set, and that moment is the first valid one.
  const change = earlier.getTimeZoneTransition('next');
  return (change ?? wall.toZonedDateTime(timeZone, { disambiguation: 'later' })).epochMilliseconds;
}

/** As `firstInstantMs`, but of two passes the second: nothing of the hour that comes twice is left out. */
export function lastInstantMs(wall: Temporal.PlainDateTime, timeZone: string): number {
  const later = wall.toZonedDateTime(timeZone, { disambiguation: 'later' });
  return later.toPlainDateTime().equals(wall) ? later.epochMilliseconds : firstInstantMs(wall, timeZone);
}

/** Where midnight is skipped the day begins later. */
export function dayStartMs(date: Temporal.PlainDate, timeZone: string): number {
  return date.toZonedDateTime({ timeZone }).epochMilliseconds;
}

export function dateAt(atMs: number, timeZone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochMilliseconds(Math.trunc(atMs)).toZonedDateTimeISO(timeZone).toPlainDate();
}
