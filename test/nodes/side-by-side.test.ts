/**
 * The mover beside the plain way (checkpoint, copy, restore, then the address), in one run and in turns, so that whatever else the
 * machine does slows both; and beside itself with another size of memory. `-- --campaign` goes twenty rounds.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containers } from '../../src/lab/nodes/workloads.ts';
import type { ClientProcess } from '../../src/lab/nodes/clients/client-process.ts';
import { figuresOf, figuresTable, medianOf, reportAfterMove, type MoveFigures } from './figures.ts';
import { MovingLab } from './moving.ts';
import { PlainWay } from './plain-way.ts';

const isCampaign = process.env['PITCREW_CAMPAIGN'] === '1';
const rounds = isCampaign ? 20 : 3;
const minuteMs = 60_000;
const [largeMegabytes, smallMegabytes] = [500, 100];
let lab: MovingLab;

beforeAll(async () => {
  lab = await MovingLab.start();
}, 20 * minuteMs);
afterAll(async () => {
  await lab.stop();
}, minuteMs);

async function redis(name: string, megabytes: number): Promise<ClientProcess> {
  lab.test.statefulSet(name, { containers: [containers.redis] });
  return await lab.test.client({ kind: 'redis', megabytes }, await lab.test.ready(`${name}-0`));
}

async function moveByHand(plain: PlainWay, client: ClientProcess): Promise<MoveFigures> {
  await client.report();
  const parts = await plain.move();
  const { longestGapMs } = await reportAfterMove(client);
  return { gapMs: longestGapMs, freezeMs: parts.dumpMs + parts.transferMs + parts.restoreMs, parts };
}

async function moveByMover(name: string, client: ClientProcess): Promise<MoveFigures> {
  await client.report();
  const { end } = await lab.move(`${name}-0`);
  return figuresOf(end, await reportAfterMove(client));
}

describe('the mover', () => {
  it(
    'keeps clients waiting for half of the time at most, and for a time that does not grow as the memory does',
    { timeout: (5 + 3 * rounds) * minuteMs },
    async () => {
      const plain = await PlainWay.start(lab.test);
      const clients = {
        plain: await plain.client({ kind: 'redis', megabytes: largeMegabytes }),
        large: await redis('large', largeMegabytes),
        small: await redis('small', smallMegabytes),
      };
      const figures: Record<keyof typeof clients, MoveFigures[]> = { plain: [], large: [], small: [] };
      for (let round = 1; round <= rounds; round += 1) {
        figures.plain.push(await moveByHand(plain, clients.plain));
        figures.large.push(await moveByMover('large', clients.large));
        figures.small.push(await moveByMover('small', clients.small));
      }
      console.log(
        figuresTable([
          { what: `the plain way, ${largeMegabytes} MB`, moves: figures.plain },
          { what: `the mover, ${largeMegabytes} MB`, moves: figures.large },
          { what: `the mover, ${smallMegabytes} MB`, moves: figures.small },
        ]),
      );
      for (const client of Object.values(clients)) expect((await client.stop()).faults).toEqual([]);
      const gap = (moves: readonly MoveFigures[]): number => medianOf(moves, ({ gapMs }) => gapMs);
      expect(gap(figures.large)).toBeLessThanOrEqual(gap(figures.plain) / 2);
      expect(gap(figures.large) / gap(figures.small)).toBeLessThan(largeMegabytes / smallMegabytes / 2);
      expect(await lab.leftovers()).toEqual([]);
    },
  );
});
