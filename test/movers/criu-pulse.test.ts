import { describe, expect, it } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { pulseOf, whyDown, type Pulse } from '../../src/movers/criu/pulse.ts';
import type { Bmc, PowerState } from '../../src/ports/bmc.ts';
import type { Shell } from '../../src/ports/shell.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { fleetNode } from '../planner/fleet.ts';

const never = new AbortController().signal;
const unreachable = new MaintenanceError('ssh/unreachable', 'retry', 'nobody is there');

function shellOf(answer: () => string): Shell {
  const facts = () => ({ bootId: answer(), kernel: '6.1', newestKernel: '', failedUnits: [] });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { readFacts: async () => Promise.resolve(facts()) } as Partial<Shell> as Shell;
}

function bmcOf(readPower: () => PowerState): Bmc {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { readPower: async () => Promise.resolve(readPower()) } as Partial<Bmc> as Bmc;
}

async function pulse(answer: (nowMs: number) => string, then: string): Promise<Pulse> {
  const clock = new VirtualClock(0);
  let found: Pulse | undefined;
  const looking = pulseOf(
    shellOf(() => answer(clock.nowMs())),
    then,
    clock,
    never,
  ).then((value) => (found = value));
  await clock.run(() => found !== undefined);
  return looking;
}

function silent(): never {
  throw unreachable;
}

describe('the pulse of a server', () => {
  it('is told by its boot id', async () => {
    expect(await pulse(() => 'one', 'one')).toBe('same');
    expect(await pulse(() => 'two', 'one')).toBe('rebooted');
    expect(await pulse(() => 'two', '')).toBe('same');
  });

  it('is waited for through a short silence, and not through a long one', async () => {
    expect(await pulse((nowMs) => (nowMs < 9_000 ? silent() : 'one'), 'one')).toBe('same');
    expect(await pulse(silent, 'one')).toBe('silent');
  });

  it('is an error where a person has to look: a host key that is another one', async () => {
    const wrong = new MaintenanceError('ssh/host-key', 'halt', 'another key');
    const clock = new VirtualClock(0);
    await expect(
      pulseOf(
        shellOf(() => {
          throw wrong;
        }),
        'one',
        clock,
        never,
      ),
    ).rejects.toBe(wrong);
  });
});

describe('that nothing runs on a silent server any more', () => {
  const on = bmcOf(() => 'on');
  const node = fleetNode('b');

  it('is not proved by its silence, nor by a BMC that is silent as well', async () => {
    expect(await whyDown(node, on, 'silent', never)).toBeUndefined();
    expect(await whyDown(node, bmcOf(silent), 'silent', never)).toBeUndefined();
    expect(await whyDown(undefined, on, 'silent', never)).toBeUndefined();
  });

  it('is not even asked of one that answers as ever', async () => {
    const off = bmcOf(() => 'off');
    expect(await whyDown(node, off, 'same', never)).toBeUndefined();
  });

  it('is proved by another boot, by missing power, or by a person who says so', async () => {
    const out = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' } as const;
    expect(await whyDown(node, on, 'rebooted', never)).toContain('rebooted');
    expect(
      await whyDown(
        node,
        bmcOf(() => 'off'),
        'silent',
        never,
      ),
    ).toContain('no power');
    expect(await whyDown({ ...node, taints: [out] }, on, 'silent', never)).toContain('out-of-service');
  });
});
