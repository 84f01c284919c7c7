/** What holds at the end of every run that is done, whatever was killed or away meanwhile. */
import { expect } from 'vitest';
import type { Installation } from './installation.ts';

/**
 * One boot, one cordon, one uncordon and one new kernel per server; one power cycle for those that need it. The others
 * may have been given one instead of a reboot over SSH, where nobody was there for longer than a rung lasts, never two.
 */
export function expectNothingTwice(installation: Installation, inNeedOfPower: readonly string[] = []): void {
  const { machines } = installation.lab.world;
  const each = <T>(value: T): Record<string, T> =>
    Object.fromEntries([...machines.keys()].map((name) => [name, value]));
  const traces = installation.traces();
  expect(traces).toMatchObject({
    boots: each(1),
    cordons: each(['cordoned', 'uncordoned']),
    cordonedNow: [],
    evictedTwice: [],
  });
  expect(traces.evictions).toBeGreaterThan(0);
  for (const [name, machine] of machines) {
    expect(machine.kernel).toBe(machine.options.updatedKernel);
    expect(machine.powerCycles).toBeLessThanOrEqual(1);
    if (inNeedOfPower.includes(name)) expect(machine.powerCycles).toBe(1);
  }
}
