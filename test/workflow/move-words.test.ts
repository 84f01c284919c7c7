import { describe, expect, it } from 'vitest';
import type { ServerEvent } from '../../src/workflow/events.ts';
import { describeMove } from '../../src/workflow/move-words.ts';
import { movedPod as pod, moveStarted, serverAfter, until } from './fixtures.ts';

function words(stage?: Omit<Extract<ServerEvent, { kind: 'moveProgressed' }>, 'kind' | 'pod'>): string | undefined {
  const progress: ServerEvent[] = stage ? [{ kind: 'moveProgressed', pod, ...stage }] : [];
  const begun: ServerEvent[] = [...until('evacuate'), { kind: 'stepStarted', step: 'evacuate', attempt: 1 }];
  const move = serverAfter(...begun, moveStarted(), ...progress).moves['u'];
  return move && describeMove(move);
}

const gibibyte = 1_073_741_824;

describe('a move in words', () => {
  it.each([
    ['p (criu)', undefined],
    ['p queued for criu', { phase: 'queued' as const, note: '' }],
    ['p copying', { phase: 'copying' as const, note: '' }],
    [
      'p copying 9.1 of 14 GiB, 212 MB/s',
      {
        phase: 'copying' as const,
        note: '',
        doneBytes: 9.1 * gibibyte,
        totalBytes: 14 * gibibyte,
        bytesPerSecond: 212_000_000,
      },
    ],
    [
      'p copying 0.5 of 64 MiB',
      { phase: 'copying' as const, note: '', doneBytes: 524_288, totalBytes: 67_108_864, bytesPerSecond: 0 },
    ],
    ['p changing over to b', { phase: 'cutover' as const, note: '' }],
  ])('says "%s"', (text, stage) => {
    expect(words(stage)).toBe(text);
  });
});
