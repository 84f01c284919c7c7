/** Times of day as people say them, with the name of the time: `Sat 28 Nov 22:00 CET`. Pure. */

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Each knows the names of its own zones: CET, EST, AEDT. Where none does, the offset. */
const locales = ['en-GB', 'en-US', 'en-AU'];

/** Making one takes longer than all the rest; there are as many as people have time zones. */
const formats = new Map<string, Intl.DateTimeFormat[]>();

function formatsOf(timeZone: string): Intl.DateTimeFormat[] {
  const known = formats.get(timeZone);
  if (known) return known;
  const made = locales.map((locale) => new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: 'short' }));
  formats.set(timeZone, made);
  return made;
}

function zoneName(atMs: number, timeZone: string): string {
  const names = formatsOf(timeZone).map(
    (format) => format.formatToParts(atMs).find((part) => part.type === 'timeZoneName')?.value ?? timeZone,
  );
  return names.find((name) => !name.startsWith('GMT')) ?? names[0] ?? timeZone;
}

export function sayMoment(atMs: number, timeZone: string): string {
  const local = Temporal.Instant.fromEpochMilliseconds(Math.trunc(atMs)).toZonedDateTimeISO(timeZone);
  const day = `${weekdays[local.dayOfWeek - 1]} ${local.day} ${months[local.month - 1]}`;
  const time = local.toPlainTime().toString({ smallestUnit: 'minute' });
  return `${day} ${time} ${zoneName(atMs, timeZone)}`;
}
