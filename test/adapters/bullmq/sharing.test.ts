/** Several daemons on one Redis: how the wake-ups of a site are spread over them. */
import { randomUUID } from 'node:crypto';
import { onTestFinished, test, expect } from 'vitest';
import { BullMqWakeUps } from '../../../src/adapters/bullmq/bullmq-wake-ups.ts';
import { connectRedis } from '../../../src/adapters/redis/redis-link.ts';
import { eventually, recordingLogger, useOwnRedis } from '../redis/own-redis.ts';

const redis = useOwnRedis();

test('wake-ups that come together are shared by all who work for the site, and each is handled once', async () => {
  const namespace = randomUUID();
  const { address } = redis.server();
  const { logger } = recordingLogger();
  const makeOne = (): BullMqWakeUps => {
    const wakeUps = new BullMqWakeUps({ connect: (options) => connectRedis(address, options), logger, namespace });
    onTestFinished(async () => await wakeUps.close());
    return wakeUps;
  };
  const taken: [Set<string>, Set<string>] = [new Set(), new Set()];
  const { promise: isOver, resolve: finish } = Promise.withResolvers<void>();
  onTestFinished(() => finish());
  for (const [index, wakeUps] of [makeOne(), makeOne()].entries()) {
    await wakeUps.work(['fra1'], async ({ server }) => {
      taken[index === 0 ? 0 : 1].add(server ?? '');
      // As long as a server is worked on, its handler does not return.
      await isOver;
    });
  }
  const sender = makeOne();
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => sender.wake({ runId: 'run-1', server: `s${index}`, site: 'fra1' }, 0)),
  );
  await eventually('all in hand', () => taken[0].size + taken[1].size === 20);
  finish();
  // Half each would be chance; none at all would mean that a second daemon is of no use.
  expect(Math.min(...taken.map((servers) => servers.size))).toBeGreaterThanOrEqual(5);
});
