import { describe, expect, it } from 'vitest';
import { freezeOf, notesOf } from '../../src/movers/criu/freeze-parts.ts';

/** Milliseconds, and an hour that the target's clock is ahead. */
const source = (...notes: [number, string][]) =>
  notesOf(notes.map(([ms, text]) => `note ${ms}000000 ${text}`).join('\n'));
const target = (...notes: [number, string][]) =>
  source(...notes.map(([ms, text]) => [3_600_000 + ms, text] as [number, string]));

const there = source(
  [100, 'takeover'],
  [110, 'freezing'],
  [120, 'locked'],
  [300, 'dumped main'],
  [320, 'commit committed'],
);

describe('the freeze of a move', () => {
  it('is the sum of its parts, each by the clock of one server', () => {
    const back = target([318, 'committed'], [319, 'restoring main'], [500, 'restored main'], [900, 'pages main 0']);
    expect(freezeOf(there, back)).toEqual({
      freezeMs: 190 + 20 + 182,
      parts: { networkMs: 10, dumpMs: 190, transferMs: 20, restoreMs: 182 },
    });
  });

  it('has no parts where something was done a second time', () => {
    const again = [...there, ...source([900, 'restore of main failed, try 1'], [1_200, 'dumped main'])];
    const back = source([318, 'committed'], [1_500, 'restored main']);
    expect(freezeOf(again, back)).toEqual({ freezeMs: 1_390, parts: undefined });
  });

  it('is not known where the target took its notes along', () => {
    expect(freezeOf(there, [])).toEqual({ freezeMs: undefined, parts: undefined });
  });
});
