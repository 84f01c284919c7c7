import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { keysOf } from '../../src/adapters/redis/keys.ts';
import { RedisLeases } from '../../src/adapters/redis/redis-leases.ts';
import { RedisLink, redisClientOptions } from '../../src/adapters/redis/redis-link.ts';
import { LeaseTable, MemoryLeases } from '../../src/simulator/memory-leases.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { recordingLogger, useOwnRedis } from '../adapters/redis/own-redis.ts';
import { leasesContract } from './leases.contract.ts';

const redis = useOwnRedis();

leasesContract('memory', async () => {
  const table = new LeaseTable(new VirtualClock(0));
  return {
    leases: new MemoryLeases(table, 'daemon a (pid 1)'),
    otherLeases: new MemoryLeases(table, 'daemon b (pid 2)'),
    expire: async (name) => table.expire(name),
    close: async () => undefined,
  };
});

leasesContract('redis', async () => {
  const namespace = randomUUID();
  const { logger } = recordingLogger();
  const { address } = redis.server();
  const links = [new RedisLink(address, { logger }), new RedisLink(address, { logger })] as const;
  const client = new Redis(redisClientOptions(address));
  const common = { namespace, logger, ttlMs: 3_000 };
  return {
    leases: new RedisLeases(links[0], { ...common, holder: 'daemon a (pid 1)' }),
    otherLeases: new RedisLeases(links[1], { ...common, holder: 'daemon b (pid 2)' }),
    expire: async (name) => {
      await client.del(keysOf(namespace).lease(name));
    },
    close: async () => {
      client.disconnect();
      for (const link of links) link.close();
    },
  };
});
