/**
 * The composition root: wires adapters to the engine, serves the API, and takes everything down again in order.
 *
 * It decides nothing about maintenance. Stopping it stops no run: what was going on is in the journal, and goes on when
 * a daemon is there again.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { BullMqWakeUps } from '../adapters/bullmq/bullmq-wake-ups.ts';
import type { GitOptions } from '../adapters/git/settings.ts';
import { writeShortVendorList } from '../adapters/ipmitool/vendor-list.ts';
import { connectKubernetes } from '../adapters/kubernetes/connect.ts';
import { parseRedisUrl } from '../adapters/redis/address.ts';
import { RedisJournal } from '../adapters/redis/redis-journal.ts';
import { RedisLeases } from '../adapters/redis/redis-leases.ts';
import { redisClientOptions, RedisLink } from '../adapters/redis/redis-link.ts';
import { keepRedisAlive, startRedisServer } from '../adapters/system/redis-server.ts';
import { SecretStore } from '../adapters/system/secrets.ts';
import { SystemClock, SystemRandom } from '../adapters/system/system-clock.ts';
import { startApi, type Listen } from '../api/server.ts';
import { Commands } from '../engine/commands.ts';
import { Engine } from '../engine/engine.ts';
import { RunLog } from '../engine/run-log.ts';
import { createOperations } from '../engine/run-operations.ts';
import { Scheduler } from '../engine/scheduler.ts';
import type { EngineWorld } from '../engine/world.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { CastAiMover } from '../movers/castai/castai-mover.ts';
import { CriuMover } from '../movers/criu/criu-mover.ts';
import { EvictMover } from '../movers/evict.ts';
import { KubeVirtMover } from '../movers/kubevirt/kubevirt-mover.ts';
import { PaguroMover } from '../movers/paguro/paguro-mover.ts';
import { SurgeMover } from '../movers/surge.ts';
import type { Logger } from '../ports/logger.ts';
import type { RedisAddress } from '../ports/redis-address.ts';
import { createLogger } from '../telemetry/logger.ts';
import { redactor } from '../telemetry/redaction.ts';
import { RealConnections } from './connections.ts';
import { lastGoodServers, openDocuments, reportDocuments } from './documents.ts';
import { keepSweeping } from './sweep-moves.ts';
import { Teardown } from './teardown.ts';

export interface DaemonOptions {
  readonly data: string;
  readonly documents: readonly string[];
  readonly redis?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly listen?: string;
  readonly sites?: readonly string[];
  readonly knownHosts?: string;
  /** Instead of `documents`. */
  readonly repository?: GitOptions & { readonly pollMs: number };
  readonly webhookSecretFile?: string;
}

const sweepMs = 5_000;

/** Runs until the signal ends it; rejects only where it cannot start. */
export async function runDaemon(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  await mkdir(options.data, { recursive: true, mode: 0o700 });
  await refuseSecond(path.join(options.data, 'daemon.sock'));
  const secrets = new SecretStore();
  const kept: string[] = [];
  const logger = createLogger({ level: 'info', redact: () => [...secrets.known(), ...kept] });
  const teardown = new Teardown(logger);
  try {
    const address = await redisAddress({ options, signal, logger, teardown });
    if (address.password !== undefined) kept.push(address.password);
    const token = await readOrMakeToken(options.data);
    kept.push(token);
    await compose({ options, signal, logger, secrets, address, token, teardown });
    logger.info({ data: options.data }, 'daemon is ready');
    await ended(signal);
    logger.info({}, 'daemon is stopping; runs go on when a daemon is there again');
  } finally {
    await teardown.run();
  }
}

/** Two daemons on one data folder would share one Redis, and the first to stop would take it from the other. */
async function refuseSecond(socket: string): Promise<void> {
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => resolve(true));
    probe.once('error', () => resolve(false));
    probe.setTimeout(1_000, () => resolve(false));
    probe.unref();
  });
  if (!answers) return;
  const message = `a daemon runs on this data folder already (${socket}); more daemons share one Redis by --redis`;
  throw new MaintenanceError('run/refused', 'halt', message);
}

interface Parts {
  readonly options: DaemonOptions;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly secrets: SecretStore;
  readonly address: RedisAddress;
  readonly token: string;
  readonly teardown: Teardown;
}

async function compose({ options, signal, logger, secrets, address, token, teardown }: Parts): Promise<void> {
  const clock = new SystemClock();
  const random = new SystemRandom();
  const link = new RedisLink(address, { logger });
  teardown.add('redis', () => link.close());
  const journal = redactOutput(new RedisJournal(link), () => [...secrets.known(), token, address.password ?? '']);
  const leases = new RedisLeases(link, { holder: `${hostname()}/${process.pid}`, logger });
  const wakeUps = new BullMqWakeUps({
    connect: (more) => new Redis({ ...redisClientOptions(address), ...more }),
    logger,
  });
  teardown.add('queue', () => wakeUps.close());
  const { kubeconfig, context } = options;
  // Without our signal: the steps that are just ending still need the API; it is closed after them.
  const cluster = await connectKubernetes({ kubeconfig, context, clock, random, logger });
  teardown.add('kubernetes', () => cluster.stop());
  const knownHostsFile = options.knownHosts ?? path.join(options.data, 'known_hosts');
  const ipmitoolHome = path.join(options.data, 'ipmitool');
  await writeShortVendorList(ipmitoolHome);
  const connections = new RealConnections({ secrets, clock, random, knownHostsFile, ipmitoolHome });
  teardown.add('ssh', () => connections.close());
  const { documents, webhook } = await openDocuments({ options, logger, secrets, clock, random, teardown });
  const { objects } = cluster;
  const servers = lastGoodServers(documents);
  const tools = { cluster, objects, clock };
  const criu = new CriuMover({ cluster, objects, connections, clock, servers });
  // Which of them the cluster has what they need for, they find out by themselves, again and again.
  const movers = {
    kubevirt: new KubeVirtMover(tools),
    paguro: new PaguroMover(tools),
    castai: new CastAiMover(tools),
    criu,
    surge: new SurgeMover(cluster),
    evict: new EvictMover(cluster),
  };
  const world: EngineWorld = { clock, random, logger, cluster, connections, movers, journal, leases, wakeUps };
  const log = new RunLog(journal, clock);

  const describeStore = async (): Promise<string> => {
    const { length } = await journal.runIds();
    return `${link.where}, ${length === 1 ? '1 run' : `${length} runs`} in the journal`;
  };
  const operations = createOperations({ world, log, documents, describeStore });
  for (const listen of listenOn(options)) {
    const api = await startApi({ operations, listen, token, logger, signal, webhook });
    teardown.add('api', () => api.stop());
  }
  await reportDocuments(documents, logger);
  // Beside everything else: servers that do not answer must not keep the daemon from going on with its runs.
  const swept = new AbortController();
  const sweeping = keepSweeping({ criu, journal, log, logger, clock, signal: AbortSignal.any([signal, swept.signal]) });
  teardown.add('sweep', () => {
    swept.abort();
    return sweeping;
  });
  const engine = new Engine(world, log, { sites: options.sites, sweepMs });
  await engine.start();
  teardown.add('engine', () => engine.stop());
  const scheduler = new Scheduler({ world, log, documents, commands: new Commands(world, log, documents) });
  scheduler.start();
  teardown.add('scheduler', () => scheduler.stop());
}

/** What commands print may contain what they were given; it is stored without. */
function redactOutput(journal: RedisJournal, secrets: () => readonly string[]): RedisJournal {
  const store = journal.appendOutput.bind(journal);
  journal.appendOutput = (stream, line) => store(stream, { ...line, text: redactor(secrets()).text(line.text) });
  return journal;
}

/** Redis of our own, with its append-only file in the data folder, unless one is named. */
async function redisAddress({
  options,
  signal,
  logger,
  teardown,
}: Pick<Parts, 'options' | 'signal' | 'logger' | 'teardown'>): Promise<RedisAddress> {
  if (options.redis !== undefined) return parseRedisUrl(options.redis);
  const ending = new AbortController();
  const settings = { folder: path.join(options.data, 'redis'), signal: AbortSignal.any([signal, ending.signal]) };
  const server = await startRedisServer(settings);
  // Not ended by our signal but after everything that writes into it; and by then nobody starts it again.
  const watching = keepRedisAlive(server, { ...settings, signal: ending.signal }, logger);
  teardown.add('redis-server', async () => {
    ending.abort();
    await watching;
    await server.stop();
  });
  return server.address;
}

/** Whoever can read this file may start and stop maintenance. */
async function readOrMakeToken(data: string): Promise<string> {
  const file = path.join(data, 'token');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const token = randomBytes(32).toString('base64url');
    await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
    return token;
  }
}

function listenOn({ data, listen }: DaemonOptions): Listen[] {
  const socket = { socket: path.join(data, 'daemon.sock') };
  if (listen === undefined) return [socket];
  const url = URL.parse(`http://${listen}`);
  if (!url || url.port === '') {
    throw new MaintenanceError(
      'run/refused',
      'halt',
      `--listen takes HOST:PORT on the loopback interface, not "${listen}"`,
    );
  }
  return [socket, { host: url.hostname.replaceAll(/^\[|\]$/g, ''), port: Number(url.port) }];
}

async function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
