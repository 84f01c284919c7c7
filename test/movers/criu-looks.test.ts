import { expect, it } from 'vitest';
import { ServerLooks } from '../../src/movers/criu/server-looks.ts';
import type { Shell } from '../../src/ports/shell.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { InventoryServer } from '../../src/spec/inventory.ts';

const never = new AbortController().signal;

const server = {
  name: 'a',
  node: 'a',
  labels: { 'pitcrew.dev/live-migration': 'criu' },
} as unknown as InventoryServer;

/** One server whose shell runs jobs by `run`; the rest of a shell is the least that a look needs. */
function looksWith(
  run: Shell['run'],
  clock = new VirtualClock(0),
  forget: Shell['forget'] = async () => Promise.resolve(),
) {
  const readFacts = async () => Promise.resolve({ bootId: 'b', kernel: 'k', newestKernel: 'k', failedUnits: [] });
  const shell: Pick<Shell, 'readFacts' | 'run' | 'forget'> = { readFacts, run, forget };
  const connections = { shellOf: () => shell as Shell, bmcOf: () => expect.unreachable('no BMC is asked') };
  return new ServerLooks({ connections, clock, servers: () => Promise.resolve([server]) });
}

it('a server is asked anew once a pod has become Ready there, and not again and again about one that it does not name', async () => {
  let running = ['old'];
  let asked = 0;
  const clock = new VirtualClock(0);
  const looks = looksWith(async ({ onOutput }) => {
    asked += 1;
    onOutput?.(`${running.map((uid) => `fact container ${uid} main bytes 1`).join('\n')}\ndone\n`);
    return Promise.resolve({ kind: 'exited', exitCode: 0, tail: '' });
  }, clock);
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

it('two looks at a server do not overlap, so that neither takes the answer of the other away', async () => {
  const lying = new Set<string>();
  let going = 0;
  const run: Shell['run'] = async ({ id, onOutput }) => {
    lying.add(id);
    going += 1;
    expect(going).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    going -= 1;
    if (!lying.has(id)) return { kind: 'lost', tail: '' };
    onOutput?.('fact arch x\ndone\n');
    return { kind: 'exited', exitCode: 0, tail: '' };
  };
  const looks = looksWith(run, undefined, async () => Promise.resolve(lying.clear()));
  const seen = await Promise.all([looks.look(server, never), looks.look(server, never), looks.look(server, never)]);
  expect(seen.map(({ kind }) => kind)).toEqual(['seen', 'seen', 'seen']);
});

it('a look that broke off is made once more, under another id, and then it is said', async () => {
  const ids: string[] = [];
  let losses = 1;
  const looks = looksWith(async ({ id, onOutput }) => {
    ids.push(id);
    if (losses-- > 0) return Promise.resolve({ kind: 'lost', tail: '' });
    onOutput?.('done\n');
    return Promise.resolve({ kind: 'exited', exitCode: 0, tail: '' });
  });
  expect((await looks.look(server, never)).kind).toBe('seen');
  expect(new Set(ids).size).toBe(2);
  losses = 2;
  expect(await looks.look(server, never)).toMatchObject({ kind: 'unseen', because: 'the look at it broke off' });
});
