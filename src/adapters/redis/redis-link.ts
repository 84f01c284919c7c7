/**
 * One connection to Redis that comes back by itself for ever, and on which no call waits for ever.
 *
 * Calls are tried again on a new connection until their patience is over, so whatever is sent through here must bear
 * being carried out twice. It never queues a command while Redis is away: a command that surfaced minutes later would
 * act on a world that has moved on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions } from 'ioredis';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { RedisAddress } from '../../ports/redis-address.ts';
import { classifyRedisFailure } from './failures.ts';

const retryPauseMs = 100;
const reconnectDelayMaxMs = 2_000;
const warnIntervalMs = 30_000;

export interface RedisLinkOptions {
  readonly logger: Logger;
  /** How long one command may go unanswered. */
  readonly commandTimeoutMs?: number;
  /** How long a call is tried again before it is given up as `journal/unreachable`. */
  readonly patienceMs?: number;
}

/** Without the choice of how answers are shaped, on which the client's types depend. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

/** Options of the client for this address: reconnects without limit. The caller adds what it needs beyond that. */
export function redisClientOptions(address: RedisAddress): ClientOptions {
  return {
    ...(address.at.kind === 'socket'
      ? { path: address.at.path }
      : { host: address.at.host, port: address.at.port, ...(address.at.tls ? { tls: {} } : {}) }),
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    db: address.database ?? 0,
    connectTimeout: 5_000,
    retryStrategy: (times) => Math.min(reconnectDelayMaxMs, 50 * 2 ** Math.min(times, 10)),
    // A failover turns the server under a standing connection into a replica: find the new one.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
}

/**
 * A bare connection that reconnects for ever, for whoever brings its own way of bounding calls (the queue does).
 * It is silent: whoever uses it says what is the matter.
 */
export function connectRedis(address: RedisAddress, options: ClientOptions = {}): Redis {
  const redis = new Redis({ ...redisClientOptions(address), ...options });
  redis.on('error', () => undefined);
  return redis;
}

/** For people; without the password. */
function nameOfRedis(address: RedisAddress): string {
  return address.at.kind === 'socket' ? address.at.path : `${address.at.host}:${address.at.port}`;
}

/** Warns at most every half minute while Redis is away, and says once when it is back. */
function reportConnection(redis: Redis, where: string, logger: Logger): void {
  let warnedAtMs = Number.NEGATIVE_INFINITY;
  let isAway = false;
  let reason = 'the connection was closed';
  // Without a listener the client would print to the console by itself. What follows is always a reconnection.
  redis.on('error', (error: Error) => {
    reason = error.message;
  });
  redis.on('reconnecting', () => {
    isAway = true;
    if (performance.now() - warnedAtMs < warnIntervalMs) return;
    warnedAtMs = performance.now();
    logger.warn({ redis: where, reason }, 'redis cannot be reached, trying again by itself');
  });
  redis.on('ready', () => {
    if (isAway) logger.info({ redis: where }, 'redis is reachable again');
    isAway = false;
    reason = 'the connection was closed';
  });
}

export class RedisLink {
  readonly where: string;
  readonly #redis: Redis;
  readonly #patienceMs: number;
  readonly #logger: Logger;
  readonly #subscribers = new Set<Redis>();
  #lastError = 'not connected yet';
  #isClosed = false;

  constructor(address: RedisAddress, options: RedisLinkOptions) {
    const commandTimeoutMs = options.commandTimeoutMs ?? 3_000;
    this.where = nameOfRedis(address);
    this.#patienceMs = options.patienceMs ?? 10_000;
    this.#logger = options.logger;
    const clientOptions: ClientOptions = {
      ...redisClientOptions(address),
      commandTimeout: commandTimeoutMs,
      // A peer that vanished without a word: drop the connection instead of waiting for the kernel to notice.
      socketTimeout: commandTimeoutMs + 1_000,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // Commands in flight fail as soon as the connection closes; trying again is decided here.
      maxRetriesPerRequest: 0,
    };
    this.#redis = new Redis(clientOptions);
    this.#redis.setMaxListeners(0);
    this.#redis.on('error', (error: Error) => {
      this.#lastError = error.message;
    });
    reportConnection(this.#redis, this.where, options.logger);
  }

  /**
   * Runs `act` on a ready connection, again and again until it went through or the patience is over.
   *
   * @throws `journal/unreachable` (retry). What was sent may have been carried out all the same.
   */
  async run<T>(
    doing: string,
    act: (redis: Redis) => Promise<T>,
    bounds: { patienceMs?: number; attemptsMax?: number } = {},
  ): Promise<T> {
    const deadlineMs = performance.now() + (bounds.patienceMs ?? this.#patienceMs);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#ready(deadlineMs - performance.now());
        return await act(this.#redis);
      } catch (error) {
        const failure = classifyRedisFailure(error, doing, this.where);
        if (!(failure instanceof MaintenanceError)) throw failure;
        if (this.#isClosed || attempt >= (bounds.attemptsMax ?? Number.POSITIVE_INFINITY)) throw failure;
        if (performance.now() + retryPauseMs >= deadlineMs) throw failure;
      }
      await sleep(retryPauseMs);
    }
  }

  /** Listens on a channel over a connection of its own, which is subscribed again after every reconnect. */
  subscribe(channel: string, listener: (message: string) => void): () => void {
    const subscriber = this.#redis.duplicate({
      enableOfflineQueue: true,
      autoResendUnfulfilledCommands: true,
      maxRetriesPerRequest: null,
      commandTimeout: undefined,
      // Silence is normal on a subscription; keep-alive finds a dead peer.
      socketTimeout: undefined,
    });
    reportConnection(subscriber, this.where, this.#logger);
    this.#subscribers.add(subscriber);
    const onMessage = (_channel: string, message: string): void => listener(message);
    subscriber.on('message', onMessage);
    // Rejects only when the connection is closed for good, or Redis refuses; both are reported by the connection.
    subscriber.subscribe(channel).catch(() => undefined);
    return () => {
      subscriber.off('message', onMessage);
      subscriber.disconnect();
      this.#subscribers.delete(subscriber);
    };
  }

  /** Ends all connections. Calls in hand fail with `journal/unreachable`. */
  close(): void {
    this.#isClosed = true;
    this.#lastError = 'the connection was closed';
    for (const redis of [this.#redis, ...this.#subscribers]) redis.disconnect();
  }

  async #ready(patienceMs: number): Promise<void> {
    if (this.#isClosed) throw new Error(this.#lastError);
    if (this.#redis.status === 'ready') return;
    await new Promise<void>((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        this.#redis.off('ready', onReady);
        this.#redis.off('end', onEnd);
        end();
      };
      const giveUp = (): void => settle(() => reject(new Error(this.#lastError)));
      const onReady = (): void => settle(resolve);
      const onEnd = giveUp;
      const timer = setTimeout(giveUp, Math.max(0, patienceMs));
      this.#redis.on('ready', onReady);
      this.#redis.on('end', onEnd);
    });
  }
}
