/**
 * The journal in Redis: one list per stream, an entry per element, so that a version is a position and nothing else.
 *
 * One script decides about an append and carries it out, all or nothing. It never forgets or rewrites an entry; only
 * the output lines of commands are bounded.
 */
import { randomUUID } from 'node:crypto';
import { InvariantError, MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Journal, JournalEntry, OutputLine, StreamId } from '../../ports/journal.ts';
import type { Lease } from '../../ports/leases.ts';
import { JournalEvent } from '../../workflow/events.ts';
import { keysOf, type RedisKeys } from './keys.ts';
import type { RedisLink } from './redis-link.ts';

/**
 * Every entry starts with the id of the append that wrote it. So the same append sent twice, because its answer was
 * lost on the way, finds its own entries and answers as it did the first time.
 *
 * KEYS: stream, runs, lease, fences. ARGV: append id, expected version, run id, time, lease name or '', lease token,
 * channel, message, entries …
 */
const appendScript = `
local length = redis.call('LLEN', KEYS[1])
local expected = tonumber(ARGV[2])
local count = #ARGV - 8
if length > expected then
  local first = redis.call('LINDEX', KEYS[1], expected)
  if string.sub(first, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then return {'appended', expected + count} end
end
if ARGV[5] ~= '' then
  local held = redis.call('GET', KEYS[3]) or ''
  if string.match(held, '^(%d+) ') ~= ARGV[6] or redis.call('HGET', KEYS[4], ARGV[5]) ~= ARGV[6] then
    return {'fenced', length}
  end
end
if length ~= expected then return {'conflict', length} end
redis.call('RPUSH', KEYS[1], unpack(ARGV, 9))
if expected == 0 then redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[3]) end
redis.call('PUBLISH', ARGV[7], ARGV[8])
return {'appended', expected + count}
`;

/** KEYS: lines, their size. ARGV: line, most lines, most bytes. */
const outputScript = `
redis.call('RPUSH', KEYS[1], ARGV[1])
local bytes = redis.call('INCRBY', KEYS[2], #ARGV[1])
local lines = redis.call('LLEN', KEYS[1])
while lines > 1 and (lines > tonumber(ARGV[2]) or bytes > tonumber(ARGV[3])) do
  local oldest = redis.call('LPOP', KEYS[1])
  bytes = redis.call('DECRBY', KEYS[2], #oldest)
  lines = lines - 1
end
return lines
`;

/** Streams that are read in one go: bounds the size of one answer. */
const readBatch = 50;

export interface RedisJournalOptions {
  /** Keeps several installations apart in one Redis. */
  readonly namespace?: string;
  readonly outputLinesMax?: number;
  readonly outputBytesMax?: number;
}

export class RedisJournal implements Journal {
  readonly #link: RedisLink;
  readonly #keys: RedisKeys;
  readonly #outputLinesMax: number;
  readonly #outputBytesMax: number;

  constructor(link: RedisLink, options: RedisJournalOptions = {}) {
    this.#link = link;
    this.#keys = keysOf(options.namespace);
    this.#outputLinesMax = options.outputLinesMax ?? 2_000;
    this.#outputBytesMax = options.outputBytesMax ?? 256 * 1024;
  }

  async read(stream: StreamId, afterVersion = 0): Promise<JournalEntry[]> {
    const key = this.#keys.stream(stream);
    // The entry of version 1 is the first of the list, so "after version n" begins at index n.
    const texts = await this.#link.run('reading the journal', (redis) => redis.lrange(key, afterVersion, -1));
    return parseEntries(stream, texts, afterVersion);
  }

  async readMany(streams: readonly StreamId[]): Promise<JournalEntry[][]> {
    const result: JournalEntry[][] = [];
    for (let from = 0; from < streams.length; from += readBatch) {
      const batch = streams.slice(from, from + readBatch);
      const lists = await this.#link.run('reading the journal', async (redis) => {
        const pipeline = redis.pipeline();
        for (const stream of batch) pipeline.lrange(this.#keys.stream(stream), 0, -1);
        const answers = (await pipeline.exec()) ?? [];
        return answers.map(([error, texts]) => {
          if (error) throw error;
          return texts as string[];
        });
      });
      result.push(...batch.map((stream, index) => parseEntries(stream, lists[index] ?? [])));
    }
    return result;
  }

  async append(
    stream: StreamId,
    expectedVersion: number,
    atMs: number,
    events: readonly JournalEvent[],
    lease?: Lease,
  ): Promise<number> {
    if (events.length === 0) throw new InvariantError('an append without events');
    const id = randomUUID();
    const keys = this.#keys;
    const [verdict, version] = await this.#link.run('writing the journal', async (redis) => {
      const answer = await redis.eval(
        appendScript,
        4,
        keys.stream(stream),
        keys.runs,
        keys.lease(lease?.name ?? ''),
        keys.fences,
        id,
        expectedVersion,
        stream.runId,
        atMs,
        lease?.name ?? '',
        lease?.token ?? '',
        keys.appended,
        JSON.stringify(stream),
        ...events.map((event) => `${id} ${JSON.stringify({ atMs, event })}`),
      );
      return answer as [verdict: 'appended' | 'conflict' | 'fenced', version: number];
    });
    if (verdict === 'appended') return version;
    const details = { stream: nameOf(stream), expectedVersion, version };
    if (verdict === 'fenced') {
      const message = `the lease ${lease?.name ?? ''} is no longer held under token ${lease?.token ?? ''}`;
      throw new MaintenanceError('journal/fenced', 'halt', message, { details });
    }
    const message = `${nameOf(stream)} is at version ${version}, not at ${expectedVersion}`;
    throw new MaintenanceError('journal/conflict', 'retry', message, { details });
  }

  runIds(): Promise<string[]> {
    return this.#link.run('listing the runs', (redis) => redis.zrange(this.#keys.runs, '0', '-1'));
  }

  async appendOutput(stream: StreamId, line: OutputLine): Promise<void> {
    const key = this.#keys.output(stream);
    const text = shorten(line.text, this.#outputBytesMax / 2);
    const entry = JSON.stringify({ ...line, text });
    await this.#link.run(
      'writing output',
      (redis) => redis.eval(outputScript, 2, key, `${key}:bytes`, entry, this.#outputLinesMax, this.#outputBytesMax),
      // Sent twice it would stand there twice: rather lose a line.
      { attemptsMax: 1 },
    );
  }

  async readOutput(stream: StreamId): Promise<OutputLine[]> {
    const key = this.#keys.output(stream);
    const texts = await this.#link.run('reading output', (redis) => redis.lrange(key, 0, -1));
    return texts.map((text) => JSON.parse(text) as OutputLine);
  }

  onAppend(listener: (stream: StreamId) => void): () => void {
    return this.#link.subscribe(this.#keys.appended, (message) => listener(JSON.parse(message) as StreamId));
  }
}

function nameOf(stream: StreamId): string {
  return stream.server === undefined ? `run ${stream.runId}` : `run ${stream.runId}, server ${stream.server}`;
}

function shorten(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  return `${Buffer.from(text).subarray(0, bytesMax).toString()} …`;
}

function parseEntries(stream: StreamId, texts: readonly string[], afterVersion = 0): JournalEntry[] {
  return texts.map((text, index) => {
    const version = afterVersion + index + 1;
    const { atMs, event } = parseJson(text.slice(text.indexOf(' ') + 1));
    const parsed = JournalEvent.safeParse(event);
    if (!parsed.success || typeof atMs !== 'number') {
      throw new InvariantError(`entry ${version} of ${nameOf(stream)} in the journal cannot be understood`);
    }
    return { version, atMs, event: parsed.data };
  });
}

function parseJson(text: string): { atMs?: unknown; event?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
