/** Moments as the API writes them: whole seconds in UTC for `Time`, microseconds for `MicroTime`. */

/** Much happens within one second. */
let last = { second: 0, text: '1970-01-01T00:00:00Z' };

export function timestamp(nowMs: number): string {
  const second = Math.floor(nowMs / 1_000);
  if (second !== last.second) last = { second, text: `${new Date(nowMs).toISOString().slice(0, 19)}Z` };
  return last.text;
}

export function microTimestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 23)}000Z`;
}
