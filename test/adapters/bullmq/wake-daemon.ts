/** Run as a program of its own: takes a wake-up, says so, and never gets done with it. Also says when it may end. */
import { BullMqWakeUps } from '../../../src/adapters/bullmq/bullmq-wake-ups.ts';
import { connectRedis } from '../../../src/adapters/redis/redis-link.ts';
import type { RedisAddress } from '../../../src/ports/redis-address.ts';

const { address, namespace, mode } = JSON.parse(process.env['WAKE_DAEMON'] ?? '{}') as {
  address: RedisAddress;
  namespace: string;
  mode: 'hang' | 'close';
};
const quiet = (): void => undefined;
const wakeUps = new BullMqWakeUps({
  connect: (options) => connectRedis(address, options),
  logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  namespace,
  stalledAfterMs: 1_000,
});
await wakeUps.work(['fra1'], async (target) => {
  process.stdout.write(`${target.server}\n`);
  if (mode === 'hang') {
    await new Promise(() => {
      setInterval(() => undefined, 1_000);
    });
  }
});
if (mode === 'close') {
  process.stdout.write('working\n');
  process.stdin.once('data', () => void wakeUps.close());
  process.stdin.unref();
}
