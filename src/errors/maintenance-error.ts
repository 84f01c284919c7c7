/**
 * The two kinds of error there are: one that the world causes, one that we cause.
 *
 * It never decides what happens next; the engine does, from the disposition.
 */
import type { ErrorCode } from './codes.ts';

/**
 * - `retry`: the same call may succeed soon; counts as an attempt.
 * - `wait`: nothing is wrong, the world says "not now"; counts as nothing, its reason is shown.
 * - `halt`: trying again cannot help; a person is needed.
 */
export type Disposition = 'retry' | 'wait' | 'halt';

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

/** A failure of the world, classified once in the adapter that knows the protocol. Never carries a secret. */
export class MaintenanceError extends Error {
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  /** How long to wait before trying again, in milliseconds, where the peer said so. */
  readonly retryAfterMs: number | undefined;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    disposition: Disposition,
    message: string,
    more: { retryAfterMs?: number | undefined; details?: ErrorDetails; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'MaintenanceError';
    this.code = code;
    this.disposition = disposition;
    this.retryAfterMs = more.retryAfterMs;
    this.details = more.details ?? {};
  }
}

/** A bug of ours: the server it concerns stops, its journal stays as it is. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** The default branch of a total switch: the compiler proves that nobody comes here. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
