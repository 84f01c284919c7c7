import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keepsLess, mostKept, promiseInWords } from '../../src/evacuation/promises.ts';
import { movePromises } from '../../src/ports/movers.ts';

const wishes = ['everything', 'in-cluster connections', 'memory'] as const;

it('what is kept is enough or not, in the order of the promises; a restart never is', () => {
  fc.assert(
    fc.property(fc.constantFrom(...movePromises), fc.constantFrom(...wishes), (promise, least) => {
      expect(keepsLess(promise, least)).toBe(movePromises.indexOf(promise) > movePromises.indexOf(least));
    }),
  );
});

it('the most that is kept is the best of the promises, whatever their order', () => {
  fc.assert(
    fc.property(fc.subarray([...wishes], { minLength: 1 }), (promises) => {
      const best = [...promises].sort((a, b) => movePromises.indexOf(a) - movePromises.indexOf(b))[0];
      expect(mostKept(promises.toReversed())).toBe(best);
    }),
  );
  expect(mostKept([])).toBeUndefined();
});

it('every promise has its words', () => {
  expect(movePromises.map(promiseInWords)).toEqual([
    'keeps everything',
    'keeps its memory and its connections within the cluster',
    'keeps its memory, gets another address, connections are closed',
    'keeps nothing: restart',
  ]);
});
