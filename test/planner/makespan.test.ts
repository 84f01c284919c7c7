import { describe, expect, it } from 'vitest';
import { largeFleet, mixedFleet, spareFleet, tightFleet } from '../bench/plan-fleets.ts';
import { batchTurns, leastTurns, previewOf, turnsOf } from '../bench/plan-policies.ts';

describe('a plan takes hardly longer than it must', () => {
  // With ten out, the others would have to be packed to the last byte; with nine, a hundred servers take twelve turns.
  it.each([
    ['with a tenth to spare', spareFleet(), 1.1],
    ['in a larger fleet', largeFleet(200), 1.1],
    ['with tight memory and anti-affinity', tightFleet(), 1.1],
    ['packed to nine tenths with pods of all sizes', mixedFleet(), 1.2],
  ])('%s', (_, fleet, ratio) => {
    const turns = turnsOf(previewOf(fleet));
    expect(turns / leastTurns(fleet)).toBeLessThanOrEqual(ratio);
    expect(turns).toBeLessThanOrEqual(batchTurns(fleet));
  });
});
