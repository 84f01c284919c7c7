/**
 * A program of its own: a client of a server in a pod, run in the network namespace of the lab's clients.
 *
 * Usage: node main.ts redis|postgres|echo|forking|visitors|halves HOST PORT [MEGABYTES [WRITTEN_PER_SECOND] | CONNECTIONS]
 * HOST is an address, or NAME@FILE with a file of names as in /etc/hosts: then a lost connection is made anew.
 * Prints `started`, then answers each line of its input with a report in JSON: `report` and goes on, `stop` and ends.
 */
import { createInterface } from 'node:readline';
import { EchoClient } from './echo.ts';
import { HalvesClient } from './halves.ts';
import { Meter } from './meter.ts';
import { PostgresClient } from './postgres.ts';
import { RedisClient } from './redis.ts';
import { VisitorsClient } from './visitors.ts';

const [kind = '', host = '', port = '', first = '0', second = '0'] = process.argv.slice(2);
const place = { host, port: Number(port) };
const meter = new Meter();

function client(): { start(): Promise<void>; stop(): Promise<void> } {
  switch (kind) {
    case 'redis': {
      const load = { megabytes: Number(first), writtenMegabytesPerSecond: Number(second) };
      return new RedisClient(place, load, meter);
    }
    case 'postgres':
      return new PostgresClient(place, meter);
    case 'echo':
    case 'forking':
      return new EchoClient(place, { connections: Number(first), counts: kind === 'forking' }, meter);
    case 'halves':
      return new HalvesClient(place, { connections: Number(first) }, meter);
    case 'visitors':
      return new VisitorsClient(place, { connections: Number(first) }, meter);
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
