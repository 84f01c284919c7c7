import { randomUUID } from 'node:crypto';
import { BullMqWakeUps } from '../../src/adapters/bullmq/bullmq-wake-ups.ts';
import { connectRedis } from '../../src/adapters/redis/redis-link.ts';
import { MemoryWakeUps } from '../../src/simulator/memory-wake-ups.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { eventually, recordingLogger, useOwnRedis } from '../adapters/redis/own-redis.ts';
import { wakeUpsContract } from './wake-ups.contract.ts';

const redis = useOwnRedis();

wakeUpsContract('memory', async () => {
  const clock = new VirtualClock(1_000_000);
  const wakeUps = new MemoryWakeUps({ clock, random: new SeededRandom(1) });
  return {
    wakeUps,
    other: wakeUps,
    nowMs: () => clock.nowMs(),
    eventually: async (what, isSo) => {
      const end = await clock.run(isSo);
      if (end !== 'done') throw new Error(`it never happened: ${what} (${end})`);
    },
    close: async () => undefined,
  };
});

wakeUpsContract('BullMQ', async () => {
  const namespace = randomUUID();
  const { logger } = recordingLogger();
  const { address } = redis.server();
  const make = (): BullMqWakeUps =>
    new BullMqWakeUps({
      connect: (options) => connectRedis(address, options),
      logger,
      namespace,
      pollMs: 50,
    });
  const [wakeUps, other] = [make(), make()];
  return {
    wakeUps,
    other,
    nowMs: () => Date.now(),
    eventually,
    close: async () => {
      await Promise.all([wakeUps.close(), other.close()]);
    },
  };
});
