import { describe, expect, it } from 'vitest';
import { detectionOf } from '../../src/movers/criu/detection.ts';
import { serverFactsOf } from '../../src/movers/criu/readiness.ts';
import type { Look } from '../../src/movers/criu/server-looks.ts';

const sound = `fact criu 4.2.1
fact runc 1.3.6
fact criuCheck ok
fact wrapper same
fact annotations passed
fact network lab-ipam
`;
const asked = { atMs: 0, about: new Set<string>() };
const seen = (output: string): Look => ({ kind: 'seen', facts: serverFactsOf(output), ...asked });
const silent: Look = { kind: 'unseen', because: 'it does not answer', ...asked };

describe('live moves', () => {
  it('can be made between two servers that are ready; the others are named, with all that they lack', () => {
    const looks = new Map([
      ['c', silent],
      ['b', seen(sound)],
      ['d', seen(sound.replace('4.2.1', '3.17').replace('wrapper same', 'wrapper none'))],
      ['a', seen(sound)],
    ]);
    expect(detectionOf(looks)).toEqual({
      kind: 'ready',
      text: '2 of 4 servers ready; c: it does not answer; d has CRIU 3.17, and 4.0 is the oldest that does, containerd on d does not use pitcrew-runc',
      atOnce: { perServer: 1 },
    });
  });

  it('cannot be made with fewer, and of many that are not ready a few speak for all', () => {
    const looks = new Map(['a', 'b', 'c', 'd', 'e'].map((name): [string, Look] => [name, silent]));
    const named = ['a', 'b', 'c'].map((name) => `${name}: it does not answer`).join('; ');
    const because = `0 servers are ready for it, two are needed: ${named}; 2 more are not ready`;
    expect(detectionOf(looks)).toEqual({ kind: 'missing', because });
  });

  it('keep less where a network gives no address twice', () => {
    const other = seen(sound.replace('lab-ipam', 'calico'));
    expect(
      detectionOf(
        new Map([
          ['a', other],
          ['b', other],
        ]),
      ),
    ).toMatchObject({
      text: '2 of 2 servers ready; a pod keeps its memory, gets another address, and connections are closed (network calico)',
    });
  });
});
