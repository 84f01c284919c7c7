/** Run as a program of its own: a daemon that starts its Redis, writes a key, says so, and lives until it is killed. */
import { Redis } from 'ioredis';
import { redisClientOptions } from '../../../src/adapters/redis/redis-link.ts';
import { startRedisServer } from '../../../src/adapters/system/redis-server.ts';

const server = await startRedisServer({ folder: process.argv[2] ?? '', signal: AbortSignal.timeout(30_000) });
const redis = new Redis(redisClientOptions(server.address));
await redis.set('who', 'first daemon');
process.stdout.write(`${server.pid}\n`);
setInterval(() => undefined, 1_000);
