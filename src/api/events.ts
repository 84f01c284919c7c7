/**
 * Server-sent events: the ids of runs that changed, each a hint to read that run again.
 *
 * It never queues more than one hint per run, so a slow reader costs no memory, and it carries no state of its own:
 * whoever connects again reads again.
 */
import type { Context } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import type { Operations } from '../engine/operations.ts';
import type { Logger } from '../ports/logger.ts';

export interface EventSettings {
  readonly operations: Operations;
  readonly logger: Logger;
  /** Ends every stream. */
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

export function streamChanges(context: Context, settings: EventSettings): Response {
  return streamSSE(context, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const until = AbortSignal.any([settings.signal, gone.signal]);
    try {
      await sendChanges(stream, settings, until);
    } catch (error) {
      // Caught here because streamSSE would send the message of an error of ours to the client.
      settings.logger.error({ err: error }, 'event stream failed');
    } finally {
      gone.abort();
    }
  });
}

async function sendChanges(stream: SSEStreamingApi, settings: EventSettings, until: AbortSignal): Promise<void> {
  const changed = new Set<string>();
  let wake: (() => void) | undefined;
  settings.operations.watch(until, (runId) => {
    changed.add(runId);
    wake?.();
  });
  // A first byte at once: the reader knows that from here on it misses nothing.
  await stream.write(': connected\n\n');
  while (!until.aborted) {
    const [runId] = changed;
    if (runId !== undefined) {
      changed.delete(runId);
      await stream.writeSSE({ event: 'changed', data: JSON.stringify({ runId }) });
      continue;
    }
    const woken = await new Promise<boolean>((resolve) => {
      const end = (isWoken: boolean): void => {
        clearTimeout(timer);
        until.removeEventListener('abort', onAbort);
        resolve(isWoken);
      };
      const onAbort = (): void => end(true);
      const timer = setTimeout(() => end(false), settings.heartbeatMs);
      wake = onAbort;
      until.addEventListener('abort', onAbort, { once: true });
    });
    // The heartbeat lets both ends notice a connection that died without a word.
    if (!woken) await stream.write(': still here\n\n');
  }
}
