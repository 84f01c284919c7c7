/** Which place a renderer draws for: how wide a stream is, and whether colours are wanted on it. */
import type { CliIo } from './io.ts';
import type { View } from './render/text.ts';

interface Stream {
  readonly columns?: number;
  readonly isTTY?: boolean;
}

/** Asked anew for every drawing: a terminal may be resized. */
export function viewOf(io: CliIo, stream: Stream, wantsColor: boolean): View {
  const isPlain = !wantsColor || (io.env['NO_COLOR'] ?? '') !== '' || io.env['TERM'] === 'dumb';
  const columns = stream.columns ?? Number(io.env['COLUMNS'] ?? '');
  return {
    nowMs: io.nowMs(),
    width: columns >= 20 ? columns : 80,
    color: stream.isTTY === true && !isPlain,
    timeZone: io.timeZone,
  };
}
