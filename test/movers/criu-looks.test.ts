import { expect, it } from 'vitest';
import { ServerLooks } from '../../src/movers/criu/server-looks.ts';
import type { Shell } from '../../src/ports/shell.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { InventoryServer } from '../../src/spec/inventory.ts';

const never = new AbortController().signal;

it('a server is asked anew once a pod has become Ready there, and not again and again about one that it does not name', async () => {
  const server = {
    name: 'a',
    node: 'a',
    labels: { 'pitcrew.dev/live-migration': 'criu' },
  } as unknown as InventoryServer;
  let running = ['old'];
  let asked = 0;
  const shell: Pick<Shell, 'readFacts' | 'run' | 'forget'> = {
    readFacts: async () => Promise.resolve({ bootId: 'b', kernel: 'k', newestKernel: 'k', failedUnits: [] }),
    run: async ({ onOutput }) => {
      asked += 1;
      onOutput?.(`${running.map((uid) => `fact container ${uid} main bytes 1`).join('\n')}\ndone\n`);
      return Promise.resolve({ kind: 'exited', exitCode: 0, tail: '' });
    },
    forget: async () => Promise.resolve(),
  };
  const clock = new VirtualClock(0);
  const connections = { shellOf: () => shell as Shell, bmcOf: () => expect.unreachable('no BMC is asked') };
  const looks = new ServerLooks({ connections, clock, servers: () => Promise.resolve([server]) });
  const refresh = async (...ready: string[]): Promise<number> => {
    await looks.refresh(new Map([['a', new Set(ready)]]), never);
    return asked;
  };
  expect(await refresh('old')).toBe(1);
  expect(await refresh('old')).toBe(1);
  running = ['old', 'new'];
  expect(await refresh('old', 'new')).toBe(2);
  // One whose containers the server does not know: it was asked about it, and that is that.
  expect(await refresh('old', 'new', 'stranger')).toBe(3);
  expect(await refresh('old', 'new', 'stranger')).toBe(3);
  await clock.run(() => false, 10_000);
  expect(await refresh('old', 'new', 'stranger')).toBe(4);
});
