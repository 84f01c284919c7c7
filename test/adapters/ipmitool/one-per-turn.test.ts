import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { turnToStart } from '../../../src/adapters/ipmitool/one-per-turn.ts';

test('many starts at once leave room between them for everything else', async () => {
  const order: string[] = [];
  const starts = Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      await turnToStart();
      order.push(name);
    }),
  );
  const others = (async () => {
    for (let turn = 0; turn < 4; turn += 1) {
      await nextTurn();
      order.push('-');
    }
  })();
  await Promise.all([starts, others]);
  expect(order.join('')).toMatch(/^-?a-+b-+c-*$/);
});
