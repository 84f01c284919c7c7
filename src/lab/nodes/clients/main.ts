/**
 * A program of its own: a client of a server in a pod, run in the network namespace of the lab's clients.
 *
 * Usage: node main.ts redis|postgres|echo|forking HOST PORT [MEGABYTES [WRITTEN_PER_SECOND] | CONNECTIONS]
 * Prints `started`, then answers each line of its input with a report in JSON: `report` and goes on, `stop` and ends.
 */
import { createInterface } from 'node:readline';
import { EchoClient } from './echo.ts';
import { Meter } from './meter.ts';
import { PostgresClient } from './postgres.ts';
import { RedisClient } from './redis.ts';

const [kind = '', host = '', port = '', first = '0', second = '0'] = process.argv.slice(2);
const meter = new Meter();

function client(): { start(): Promise<void>; stop(): Promise<void> } {
  switch (kind) {
    case 'redis': {
      const load = { megabytes: Number(first), writtenMegabytesPerSecond: Number(second) };
      return new RedisClient(host, Number(port), load, meter);
    }
    case 'postgres':
      return new PostgresClient(host, Number(port), meter);
    case 'echo':
    case 'forking':
      return new EchoClient(host, Number(port), { connections: Number(first), counts: kind === 'forking' }, meter);
    default:
      throw new Error(`no such client: ${kind}`);
  }
}

const running = client();
await running.start();
console.log('started');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stop') await running.stop();
  console.log(JSON.stringify(meter.report()));
  if (line === 'stop') break;
}
process.exit();
