/**
 * How an error travels over HTTP: a fitting status, and a body that the client turns back into the same
 * `MaintenanceError`.
 *
 * It never lets anything out that is not a `MaintenanceError`: of a bug the caller learns only that there is one.
 */
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';
import { ExitCode, errorCodes, isErrorCode, type ErrorCode } from '../errors/codes.ts';
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';

export const ErrorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    disposition: z.enum(['retry', 'wait', 'halt']),
    next: z.string(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    retryAfterMs: z.number().optional(),
  }),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

const statusByCode: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  'api/internal': 500,
  'api/not-found': 404,
  'api/unauthorized': 401,
  'document/not-found': 404,
};

export function statusOf(code: ErrorCode): ContentfulStatusCode {
  const special = statusByCode[code];
  if (special !== undefined) return special;
  const { exit } = errorCodes[code];
  switch (exit) {
    case ExitCode.usage:
      return 400;
    case ExitCode.invalidDocument:
      return 422;
    case ExitCode.refused:
    case ExitCode.runFailed:
      return 409;
    case ExitCode.unreachable:
      return 503;
    default:
      return unreachable(exit);
  }
}

export function internalError(): MaintenanceError {
  return new MaintenanceError('api/internal', 'halt', 'the daemon failed to answer this request');
}

export function toErrorBody(error: MaintenanceError): ErrorBody {
  return {
    error: {
      code: error.code,
      message: error.message,
      disposition: error.disposition,
      next: errorCodes[error.code].next,
      details: { ...error.details },
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    },
  };
}

/** The error that a body speaks of; `undefined` where the text is no error body of ours. */
export function fromErrorBody(text: string): MaintenanceError | undefined {
  const parsed = ErrorBody.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { code, message, disposition, details, retryAfterMs } = parsed.data.error;
  // A newer daemon may know codes that this client does not: the message still says what happened.
  if (!isErrorCode(code)) return new MaintenanceError('api/internal', disposition, `${message} (${code})`, { details });
  return new MaintenanceError(code, disposition, message, { details, retryAfterMs });
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
