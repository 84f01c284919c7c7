/** Two daemons on one Redis: they share the work, never both on one server, and one that is killed is not missed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { startRedisServer } from '../../src/adapters/system/redis-server.ts';
import { pitcrew } from './daemon.ts';
import { Installation, planName, quickServers, runEnded, until } from './installation.ts';
import { expectNothingTwice } from './nothing-twice.ts';
import { allProcesses, type ProcessSeen } from './processes.ts';

const sampleMs = 60;

interface Samples {
  /** Which daemons were seen with the lease of a server, by server. */
  readonly holders: Map<string, Set<number>>;
  /** Programs that were seen at a server's BMC while one and the same daemon held its lease before and after. */
  looks: number;
  readonly trespasses: string[];
}

/** `ipmitool` processes by the port of the BMC that they talk to: the daemon's hands, seen from outside. */
function handsOn(processes: readonly ProcessSeen[], port: string): number[] {
  return processes
    .filter(
      ({ arguments: words }) => words[0]?.endsWith('ipmitool') === true && words[words.indexOf('-p') + 1] === port,
    )
    .map(({ parent }) => parent);
}

class Watcher {
  readonly samples: Samples = { holders: new Map(), looks: 0, trespasses: [] };
  readonly #redis: Redis;
  readonly #ports: ReadonlyMap<string, string>;
  #isOver = false;
  #failure: unknown;
  readonly #running: Promise<unknown>;

  constructor(redis: Redis, installation: Installation) {
    this.#redis = redis;
    const { endpoints } = installation.lab.bmcs;
    this.#ports = new Map([...endpoints].map(([name, { port }]) => [name, String(port)]));
    this.#running = this.#watch().catch((error: unknown) => (this.#failure = error));
  }

  async stop(): Promise<Samples> {
    this.#isOver = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
    return this.samples;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const before = await this.#holders();
      const processes = await allProcesses();
      const after = await this.#holders();
      for (const [server, pid] of before) {
        this.samples.holders.set(server, (this.samples.holders.get(server) ?? new Set()).add(pid));
        if (after.get(server) !== pid) continue;
        for (const hand of handsOn(processes, this.#ports.get(server) ?? '')) {
          this.samples.looks += 1;
          if (hand !== pid) this.samples.trespasses.push(`${hand} at the BMC of ${server}, which ${pid} holds`);
        }
      }
      await sleep(sampleMs);
    }
  }

  async #holders(): Promise<Map<string, number>> {
    const names = [...this.#ports.keys()];
    const values = await this.#redis.mget(names.map((name) => `pitcrew:lease:${encodeURIComponent(`server/${name}`)}`));
    const pairs = names.map((name, index): [string, number] => [name, Number(values[index]?.split('/').at(-1) ?? 0)]);
    return new Map(pairs.filter(([, pid]) => pid > 0));
  }
}

async function startPair(installation: Installation) {
  const signal = AbortSignal.timeout(30_000);
  const server = await startRedisServer({ folder: installation.dataOf('redis'), port: 0, signal });
  installation.onStop(() => server.stop());
  const { at, password = '' } = server.address;
  if (at.kind !== 'tcp') throw new Error('a port was asked for');
  // By the environment: a password does not belong on the command line.
  const env = { PITCREW_REDIS: `redis://:${password}@${at.host}:${at.port}` };
  const redis = new Redis({ host: at.host, port: at.port, password });
  installation.onStop(async () => redis.disconnect());
  const start = (name: string) => installation.startDaemon({ name, env });
  const [first, second] = await Promise.all([start('first'), start('second')]);
  return { first, second, redis };
}

describe('two daemons on one Redis', () => {
  it('share the work of a run, never both on one server', async (context) => {
    const installation = await Installation.for(context, {
      servers: quickServers(8),
      plan: { rollout: { maxUnavailable: 4 } },
      // Longer than it takes until a lease of a killed daemon has run out.
      rungTimeout: '60s',
    });
    const { first, second, redis } = await startPair(installation);
    const watcher = new Watcher(redis, installation);
    const client = await first.client();
    const { runId } = await client.start(planName);
    // Both know every run: what one was asked for, the other can tell.
    const seen = await pitcrew(['--data', second.data, 'status', runId, '-o', 'json'], { cwd: installation.folder });
    expect(JSON.parse(seen.stdout)).toMatchObject({ runId, plan: planName });
    expect(await runEnded(client, runId, 180_000)).toMatchObject({ status: 'done', counts: { done: 8 } });
    const { holders, looks, trespasses } = await watcher.stop();
    expect(trespasses).toEqual([]);
    expect(looks).toBeGreaterThan(5);
    // Whoever is quicker takes more of the servers; but neither sits there and does nothing.
    for (const daemon of [first, second]) expect(await daemon.log()).toMatch(/"text":"(?:run event|server ended)"/);
    expectNothingTwice(installation);
    const byDaemon = [first, second].map(({ pid }) => [...holders.values()].filter((pids) => pids.has(pid)).length);
    console.log(`servers held: ${byDaemon.join(' and ')} of 8; ${looks} looks at hands on BMCs, none of them foreign`);
  }, 300_000);

  it('one of them killed in the middle: the other finishes its servers', async (context) => {
    const installation = await Installation.for(context, {
      servers: quickServers(8),
      plan: { rollout: { maxUnavailable: 4 } },
      // Longer than it takes until a lease of a killed daemon has run out.
      rungTimeout: '60s',
    });
    const { first, second, redis } = await startPair(installation);
    const watcher = new Watcher(redis, installation);
    const { runId } = await (await first.client()).start(planName);
    // Killed with a server in hand that is past the point of no return.
    const { victim, server } = await until('a server that reboots', 60_000, async () => {
      const view = await (await first.client()).run(runId);
      const rebooting = view.servers.filter(({ phase }) => phase === 'rebooting').map(({ name }) => name);
      for (const name of rebooting) {
        const holder = [first, second].find(({ pid }) => watcher.samples.holders.get(name)?.has(pid));
        if (holder) return { victim: holder, server: name };
      }
      return undefined;
    });
    const other = victim === first ? second : first;
    await victim.kill();
    const killedMs = performance.now();
    expect(await runEnded(await other.client(), runId, 240_000)).toMatchObject({ status: 'done', counts: { done: 8 } });
    const { holders, looks, trespasses } = await watcher.stop();
    expect(trespasses).toEqual([]);
    expect(looks).toBeGreaterThan(5);
    expect(holders.get(server)).toEqual(new Set([victim.pid, other.pid]));
    expectNothingTwice(installation);
    console.log(
      `killed with ${server} in hand; all done ${Math.round((performance.now() - killedMs) / 1_000)} s later`,
    );
  }, 300_000);
});
