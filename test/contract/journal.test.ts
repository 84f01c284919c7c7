import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { keysOf } from '../../src/adapters/redis/keys.ts';
import { RedisJournal } from '../../src/adapters/redis/redis-journal.ts';
import { RedisLeases } from '../../src/adapters/redis/redis-leases.ts';
import { RedisLink, redisClientOptions } from '../../src/adapters/redis/redis-link.ts';
import { MemoryJournal } from '../../src/simulator/memory-journal.ts';
import { LeaseTable, MemoryLeases } from '../../src/simulator/memory-leases.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { recordingLogger, useOwnRedis } from '../adapters/redis/own-redis.ts';
import { journalContract } from './journal.contract.ts';

const redis = useOwnRedis();

journalContract('memory', async () => {
  const clock = new VirtualClock(0);
  const leases = new LeaseTable(clock);
  const journal = new MemoryJournal({ leases, outputLinesMax: 50 });
  return {
    journal,
    other: journal,
    leases: new MemoryLeases(leases, 'a'),
    otherLeases: new MemoryLeases(leases, 'b'),
    expire: async (name) => leases.expire(name, 3_600_000),
    close: async () => undefined,
  };
});

journalContract('redis', async () => {
  const namespace = randomUUID();
  const { logger } = recordingLogger();
  const { address } = redis.server();
  const links = [new RedisLink(address, { logger }), new RedisLink(address, { logger })] as const;
  const client = new Redis(redisClientOptions(address));
  return {
    journal: new RedisJournal(links[0], { namespace, outputLinesMax: 50 }),
    other: new RedisJournal(links[1], { namespace, outputLinesMax: 50 }),
    leases: new RedisLeases(links[0], { namespace, holder: 'a', logger }),
    otherLeases: new RedisLeases(links[1], { namespace, holder: 'b', logger }),
    expire: async (name) => {
      await client.del(keysOf(namespace).lease(name));
    },
    close: async () => {
      client.disconnect();
      for (const link of links) link.close();
    },
  };
});
