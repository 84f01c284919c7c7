/** Where everything lies in Redis. Changing a key loses what is stored under the old one. */
import type { StreamId } from '../../ports/journal.ts';

export interface RedisKeys {
  stream(stream: StreamId): string;
  output(stream: StreamId): string;
  lease(name: string): string;
  /** Sorted set of run ids by the time of their first entry. */
  readonly runs: string;
  /** Hash of the latest token given out for each lease name. */
  readonly fences: string;
  /** Channel of hints: something was appended. */
  readonly appended: string;
}

/** Encoded, so that no name can reach into the key of another. */
function pathOf({ runId, server }: StreamId): string {
  return [runId, ...(server === undefined ? [] : [server])].map(encodeURIComponent).join(':');
}

export function keysOf(namespace?: string): RedisKeys {
  const prefix = namespace === undefined ? 'pitcrew:' : `pitcrew:${encodeURIComponent(namespace)}:`;
  return {
    stream: (stream) => `${prefix}journal:${pathOf(stream)}`,
    output: (stream) => `${prefix}output:${pathOf(stream)}`,
    lease: (name) => `${prefix}lease:${encodeURIComponent(name)}`,
    runs: `${prefix}runs`,
    fences: `${prefix}fences`,
    appended: `${prefix}appended`,
  };
}
