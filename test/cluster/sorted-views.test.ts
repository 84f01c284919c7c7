import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { SortedViews } from '../../src/cluster/sorted-views.ts';

const key = fc.constantFrom('a', 'b', 'b/a', 'c', 'd', 'e', 'ä', 'Z');
const change = fc.record({ key, value: fc.option(fc.integer(), { nil: undefined }) });

it('holds what a plain map would hold, in the order of the keys, after every change', () => {
  let looked = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.integer())), fc.array(change), (first, changes) => {
      const model = new Map(first);
      const views = SortedViews.from(first);
      for (const { key, value } of changes) {
        if (value === undefined) {
          model.delete(key);
          views.delete(key);
        } else {
          model.set(key, value);
          views.set(key, value);
        }
        const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
        expect(views.all).toEqual(expected);
        expect(views.get(key)).toBe(model.get(key));
        looked += 1;
      }
    }),
  );
  expect(looked).toBeGreaterThan(100);
});

it('an array that was handed out stays as it was', () => {
  const views = SortedViews.from([
    ['a', 1],
    ['b', 2],
  ]);
  const before = views.all;
  views.set('a', 9);
  views.delete('b');
  expect(before).toEqual([1, 2]);
  expect(views.all).toEqual([9]);
});
