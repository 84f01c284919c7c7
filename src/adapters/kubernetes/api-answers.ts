/**
 * What the Kubernetes API answers, and how an answer becomes a MaintenanceError. The one place where HTTP statuses and
 * network errors are classified; evictions, whose refusals mean more, are in eviction-answer.ts.
 */
import { listAt, numberAt, recordAt, textAt } from '../../cluster/json.ts';
import { MaintenanceError, type Disposition, type ErrorDetails } from '../../errors/maintenance-error.ts';
import type { ErrorCode } from '../../errors/codes.ts';

type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** What was asked, for messages: `patch nodes/node-a`. */
export interface Asked {
  readonly verb: Verb;
  readonly resource: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly retryAfterHeader?: string | undefined;
  /** The parsed JSON, or the text where it is none. */
  readonly body: unknown;
}

interface StatusCause {
  readonly reason: string;
  readonly message: string;
}

/** The parts of a meta/v1 `Status` that tell refusals apart; empty where a proxy in between left them out. */
export interface ApiStatus {
  readonly message: string;
  readonly name: string;
  readonly kind: string;
  readonly causes: readonly StatusCause[];
  readonly retryAfterSeconds: number;
}

const messageLengthMax = 600;

/** Answers come from webhooks and proxies too: bounded, on one line, and without anything that looks like a token. */
function tidied(text: string): string {
  const oneLine = text
    .replace(/\s+/g, ' ')
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 …')
    .trim();
  return oneLine.length > messageLengthMax ? `${oneLine.slice(0, messageLengthMax)}…` : oneLine;
}

export function statusOf(answer: ApiAnswer): ApiStatus {
  const details = recordAt(answer.body, 'details');
  return {
    // A text instead of an object: a proxy or load balancer answered, with a page of its own.
    message: tidied(typeof answer.body === 'string' ? answer.body : textAt(answer.body, 'message')),
    name: textAt(details, 'name'),
    kind: textAt(details, 'kind'),
    causes: listAt(details, 'causes').map((cause) => ({
      reason: textAt(cause, 'reason'),
      message: tidied(textAt(cause, 'message')),
    })),
    retryAfterSeconds: numberAt(details, 'retryAfterSeconds'),
  };
}

export function messageOf(answer: ApiAnswer): string {
  return statusOf(answer).message || `HTTP status ${answer.status}`;
}

/** From the body, which the API server fills, or the header, which API priority and fairness fills. */
export function retryAfterMsOf(answer: ApiAnswer): number | undefined {
  const seconds = statusOf(answer).retryAfterSeconds || Number(answer.retryAfterHeader ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

function classify(status: number): readonly [ErrorCode, Disposition] {
  if (status === 401) return ['cluster/unauthorized', 'halt'];
  if (status === 403) return ['cluster/forbidden', 'halt'];
  if (status === 404) return ['cluster/not-found', 'halt'];
  if (status === 409) return ['cluster/conflict', 'retry'];
  if (status === 429) return ['cluster/throttled', 'wait'];
  // 410 outside of a watch is a continue token that grew too old: asking anew helps.
  if (status >= 500 || status === 408 || status === 410) return ['cluster/unreachable', 'retry'];
  return ['cluster/refused', 'halt'];
}

export function errorOf(asked: Asked, answer: ApiAnswer): MaintenanceError {
  const [code, disposition] = classify(answer.status);
  const details: ErrorDetails = { status: answer.status, verb: asked.verb, resource: asked.resource };
  return new MaintenanceError(code, disposition, `Kubernetes: ${asked.verb} ${asked.resource}: ${messageOf(answer)}`, {
    retryAfterMs: retryAfterMsOf(answer),
    details,
  });
}

/** Certificates do not mend themselves; everything else on the network may. */
const distrust = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|ERR_SSL_)/;

/** No answer at all. Only the error's code and text are kept: a request error may carry the request's headers along. */
export function unreachableError(asked: Asked, error: unknown): MaintenanceError {
  const { code = '', message = '' } = error instanceof Error ? (error as Error & { code?: string }) : {};
  const said = tidied(message || code);
  return new MaintenanceError(
    'cluster/unreachable',
    distrust.test(code) ? 'halt' : 'retry',
    `Kubernetes: ${asked.verb} ${asked.resource}: no answer: ${said}`,
    { details: { verb: asked.verb, resource: asked.resource, ...(code ? { networkCode: code } : {}) } },
  );
}

export function isStatus(error: unknown, status: number): error is MaintenanceError {
  return error instanceof MaintenanceError && error.details['status'] === status;
}
