import { describe, expect, it } from 'vitest';
import { NodeLeaseKeeper } from '../../src/engine/node-lease-keeper.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { StepContext } from '../../src/steps/step.ts';
import type { ProgramStep } from '../../src/workflow/definition.ts';
import { definition, runServer } from '../workflow/fixtures.ts';

const minuteMs = 60_000;
const service: ProgramStep = { kind: 'service', id: 'service-1', action: { waitMs: 1 } };
type Answer = 'held' | { by: string };

/** A clock, what was said at warn, and when the Lease was taken or renewed. */
function bench(answer: (call: number) => Answer): {
  clock: VirtualClock;
  context: StepContext;
  warnings: string[];
  heldMs: number[];
} {
  const clock = new VirtualClock(0);
  const warnings: string[] = [];
  const heldMs: number[] = [];
  let calls = 0;
  const holdNodeLease = async (): Promise<Answer> => {
    calls += 1;
    const said = answer(calls);
    if (said === 'held') heldMs.push(clock.nowMs());
    return said;
  };
  const context = {
    definition: definition(),
    server: runServer('a'),
    cluster: { holdNodeLease },
    clock,
    logger: { warn: (_fields: unknown, text: string) => warnings.push(text) },
    signal: new AbortController().signal,
  } as unknown as StepContext;
  return { clock, context, warnings, heldMs };
}

describe('the maintenance Lease of a node', () => {
  it('is renewed also while a single command runs for hours, and no longer', async () => {
    const { clock, context, heldMs, warnings } = bench(() => 'held');
    const keeper = new NodeLeaseKeeper(clock);
    await keeper.keep(service, context);
    const work = keeper.during(service, context, () => clock.sleep(3 * 60 * minuteMs));
    await clock.run(() => false, 10 * 60 * minuteMs);
    await work;
    const gapsMs = heldMs.map((atMs, index) => atMs - (heldMs[index - 1] ?? 0));
    expect(Math.max(...gapsMs)).toBeLessThan(60 * minuteMs);
    expect(heldMs.at(-1)).toBeGreaterThan(2 * 60 * minuteMs);
    expect(heldMs.at(-1)).toBeLessThanOrEqual(3 * 60 * minuteMs);
    expect(warnings).toEqual([]);
  });

  it('that cannot be renewed meanwhile, or that somebody else takes, is said, and the command goes on', async () => {
    const { clock, context, warnings } = bench((call) => {
      if (call === 1) return 'held';
      if (call > 6) return { by: 'medik8s' };
      throw new MaintenanceError('cluster/unreachable', 'retry', 'away');
    });
    const keeper = new NodeLeaseKeeper(clock);
    await keeper.keep(service, context);
    const work = keeper.during(service, context, async () => {
      await clock.sleep(3 * 60 * minuteMs);
      return 'done';
    });
    await clock.run(() => false, 10 * 60 * minuteMs);
    expect(await work).toBe('done');
    expect(new Set(warnings)).toEqual(
      new Set(['maintenance lease of the node not renewed', 'maintenance lease of the node is lost']),
    );
  });

  it('costs nothing where a command is over soon, and an error of the command is its own', async () => {
    const { clock, context, heldMs } = bench(() => 'held');
    const keeper = new NodeLeaseKeeper(clock);
    const work = keeper.during(service, context, () => Promise.reject(new Error('mine')));
    await expect(work).rejects.toThrow('mine');
    await clock.run(() => false, 60 * minuteMs);
    expect(heldMs).toEqual([]);
  });
});
