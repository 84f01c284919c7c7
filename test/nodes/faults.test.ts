/**
 * Live moves in a world that breaks, at moments that chance chooses: before the commit point the source goes on with its connections,
 * after it exactly one copy runs, and nothing stays behind. `-- --campaign` breaks each thing fifty times.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { containers } from '../../src/lab/nodes/workloads.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import type { MoveOrder } from '../../src/ports/movers.ts';
import { withMovingLab, type MovingLab, type MoveEnd } from './moving.ts';

const isCampaign = process.env['PITCREW_CAMPAIGN'] === '1';
const times = isCampaign ? 50 : 2;
const minuteMs = 60_000;
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);
const random = new SeededRandom(seed);
/** About as long as a move takes: a fault that comes later finds nothing to break. */
const withinMs = 5_000;
const outageMs = 4_000;
/** From a server that is back at once to one that is given up. */
const deadMs = 40_000;
let lab: MovingLab;

console.log(`SEED=${seed}`);
withMovingLab((started) => {
  lab = started;
});

interface Fault {
  readonly what: string;
  /** Breaks something, and mends it where it would not mend itself. */
  readonly strike: (order: MoveOrder) => Promise<void>;
  /** Whether this end explains that clients lost something. */
  readonly mayLose?: (end: MoveEnd) => boolean;
}

const faults: readonly Fault[] = [
  {
    what: 'the daemon is killed',
    strike: async () => {
      lab.restartDaemon();
      return Promise.resolve();
    },
  },
  {
    what: "the source's network drops out",
    strike: async ({ source }) => {
      await lab.test.lab.network.setServerLink(source, false);
      await sleep(outageMs);
      await lab.test.lab.network.setServerLink(source, true);
    },
  },
  {
    what: 'the room for the images is full on the target',
    strike: async ({ id, target }) => {
      const fill =
        'cat /dev/zero >"/run/pitcrew/moves/$1/filler" 2>/dev/null; sleep 2; rm -f "/run/pitcrew/moves/$1/filler"';
      await lab.test
        .server(target)
        .run(['sh', '-c', `mountpoint -q "/run/pitcrew/moves/$1" || exit 0; ${fill}`, 'sh', id], { mayFail: true });
    },
  },
  {
    what: 'CRIU does not work on the target for a while',
    strike: async ({ target }) => {
      const server = lab.test.server(target);
      await server.run(['mount', '--bind', '/bin/false', '/usr/sbin/criu']);
      await sleep(outageMs);
      await server.run(['umount', '/usr/sbin/criu']);
    },
  },
  {
    what: 'the target dies and comes back',
    strike: async ({ target }) => {
      await lab.test.lab.powerOff(target);
      await sleep(Math.round(random.next() * deadMs));
      await lab.test.lab.powerOn(target);
    },
    // What it answered after the commit point went with it, and so may what it had taken over completely.
    mayLose: ({ kind, because = '' }) => kind !== 'rolledBack' || because.includes('fell silent in the middle'),
  },
];

async function moveUnderFault(
  name: string,
  fault: Fault,
): Promise<{ end: MoveEnd; wasCommitted: boolean; afterMs: number }> {
  const afterMs = Math.round(random.next() * withinMs);
  let wasCommitted = false;
  let isOver = false;
  let striking: Promise<void> = Promise.resolve();
  const { end } = await lab.move(name, {
    onBegin: (order) => {
      striking = sleep(afterMs).then(async () => {
        if (isOver) return;
        wasCommitted = order().isCommitted;
        await fault.strike(order());
      });
    },
  });
  isOver = true;
  await striking;
  return { end, wasCommitted, afterMs };
}

async function copiesOf(name: string): Promise<number> {
  const script = 'pgrep -c -x "$1" || true';
  const counts = await Promise.all(
    [...lab.test.lab.servers.values()].map(async (server) =>
      Number((await server.run(['sh', '-c', script, 'sh', name], { mayFail: true })).stdout.trim()),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

describe('a live move', () => {
  it.each(faults)(
    'leaves one copy, its connections and no trace, when $what',
    { timeout: times * 4 * minuteMs },
    async (fault) => {
      const { test } = lab;
      for (let time = 1; time <= times; time += 1) {
        test.statefulSet('redis', { containers: [containers.redis] });
        const pod = await test.ready('redis-0');
        const client = await test.client({ kind: 'redis', megabytes: 50, writtenMegabytesPerSecond: 5 }, pod);
        const { end, wasCommitted, afterMs } = await moveUnderFault('redis-0', fault);
        const text = `${fault.what}, after ${afterMs} ms, ${wasCommitted ? 'committed' : 'before the commit'}: ${JSON.stringify(end)}`;
        console.log(`  ${text}`);
        await test.ready('redis-0');
        await sleep(500);
        const report = await client.stop();
        await lab.sweep();
        // What its server took along starts anew once it may; the API calls it Ready a little longer than it is.
        if (fault.mayLose?.(end) === true)
          await test.until('a copy runs', async () => (await copiesOf('redis-server')) > 0);
        const found = {
          faults: fault.mayLose?.(end) === true ? [] : report.faults,
          copies: await copiesOf('redis-server'),
          leftovers: await lab.leftovers(),
        };
        expect({ text, ...found }).toEqual({ text, faults: [], copies: 1, leftovers: [] });
        await test.clear();
      }
    },
  );
});

/** Looked at from outside, so that nothing on the server stands in its way. */
async function untilCommitted({ id, target }: MoveOrder): Promise<void> {
  const notes = lab.test.server(target).inServer(`/run/pitcrew/moves/${id}/notes`);
  await lab.test.until('the target hears of the commit', async () =>
    (await readFile(notes, 'utf8').catch(() => '')).includes(' committed'),
  );
}

async function moveAndStrike(name: string, strike: (order: MoveOrder) => Promise<void>): Promise<MoveEnd> {
  let striking: Promise<void> = Promise.resolve();
  const { end } = await lab.move(name, {
    onBegin: (order) => {
      striking = untilCommitted(order()).then(() => strike(order()));
    },
  });
  await striking.catch((error: unknown) => {
    throw new Error(`it was over before: ${JSON.stringify(end)}`, { cause: error });
  });
  return end;
}

describe('a target that falls silent after the commit point', () => {
  it.each([
    {
      what: 'and has lost its power gives the pod back to its source',
      strike: async ({ target }: MoveOrder) => lab.test.lab.powerOff(target),
      mend: async ({ target }: MoveOrder) => lab.test.lab.powerOn(target),
      expected: { kind: 'rolledBack', because: expect.stringContaining('it has no power') as string },
    },
    {
      what: 'is asked again when its cable is back, and what it has stands',
      strike: async ({ target }: MoveOrder) => {
        await lab.test.lab.network.setServerLink(target, false);
        await sleep(deadMs);
        await lab.test.lab.network.setServerLink(target, true);
      },
      mend: async () => Promise.resolve(),
      expected: { kind: 'done', evidence: { kept: 'everything' } },
    },
  ])('$what', { timeout: 5 * minuteMs }, async ({ strike, mend, expected }) => {
    const { test } = lab;
    test.statefulSet('redis', { containers: [containers.redis] });
    const pod = await test.ready('redis-0');
    // Small enough to take all of its memory along, so that nothing is fetched afterwards.
    const client = await test.client({ kind: 'redis', megabytes: 10 }, pod);
    let struck: MoveOrder | undefined;
    const end = await moveAndStrike('redis-0', async (order) => {
      struck = order;
      await strike(order);
    });
    expect(end).toMatchObject(expected);
    const after = await test.ready('redis-0');
    expect(after.spec.nodeName).toBe(end.kind === 'done' ? struck?.target : struck?.source);
    expect(after.status.podIP).toBe(pod.status.podIP);
    await sleep(2_000);
    expect((await client.stop()).faults).toEqual([]);
    if (struck) await mend(struck);
    await lab.sweep();
    expect({ copies: await copiesOf('redis-server'), leftovers: await lab.leftovers() }).toEqual({
      copies: 1,
      leftovers: [],
    });
  });
});
