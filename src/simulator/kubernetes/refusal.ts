/**
 * The answers by which an API server refuses: one function per kind of refusal, worded as a real server words it.
 * It never decides whether to refuse.
 */
import type { Kind } from './kinds.ts';

export interface StatusBody {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Record<string, never>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  readonly retryAfterSeconds?: number;
}

export class Refusal extends Error {
  readonly body: StatusBody;

  constructor(code: number, reason: string | undefined, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'Refusal';
    this.body = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason !== undefined && { reason }),
      ...(details !== undefined && { details }),
      code,
    };
  }
}

export function success(code: number): StatusBody {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code };
}

/** `leases.coordination.k8s.io`, or just `nodes` in the core group. */
function qualifiedName(kind: Kind): string {
  return kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
}

function detailsOf(kind: Kind, name: string): StatusDetails {
  return { ...(name !== '' && { name }), ...(kind.group !== '' && { group: kind.group }), kind: kind.resource };
}

export function notFound(kind: Kind, name: string): Refusal {
  return new Refusal(404, 'NotFound', `${qualifiedName(kind)} "${name}" not found`, detailsOf(kind, name));
}

export function noSuchPath(): Refusal {
  return new Refusal(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function alreadyExists(kind: Kind, name: string): Refusal {
  return new Refusal(409, 'AlreadyExists', `${qualifiedName(kind)} "${name}" already exists`, detailsOf(kind, name));
}

export function modified(kind: Kind, name: string): Refusal {
  const because = 'the object has been modified; please apply your changes to the latest version and try again';
  const message = `Operation cannot be fulfilled on ${qualifiedName(kind)} "${name}": ${because}`;
  return new Refusal(409, 'Conflict', message, detailsOf(kind, name));
}

/** A precondition names the kind (`Pod`), not the resource, and no group. */
export function failedPrecondition(kind: Kind, name: string, wanted: string, found: string): Refusal {
  const because = `the UID in the precondition (${wanted}) does not match the UID in record (${found}). The object might have been deleted and then recreated`;
  const message = `Operation cannot be fulfilled on ${kind.kind} "${name}": ${because}`;
  return new Refusal(409, 'Conflict', message, { name, kind: kind.kind });
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message);
}

export function methodNotAllowed(): Refusal {
  const message = 'the server does not allow this method on the requested resource';
  return new Refusal(405, 'MethodNotAllowed', message, {});
}

export function unsupportedMediaType(contentType: string): Refusal {
  const message = `the body of the request was in an unknown format - accepted media types include: application/json, not ${contentType}`;
  return new Refusal(415, 'UnsupportedMediaType', message, {});
}

export function unprocessable(): Refusal {
  return new Refusal(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
}

/** One field is wrong: names the kind and the field, as validation does. */
export function invalidField(kind: Kind, name: string, field: string, problem: string): Refusal {
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return new Refusal(422, 'Invalid', `${qualified} "${name}" is invalid: ${field}: ${problem}`, {
    name,
    ...(kind.group !== '' && { group: kind.group }),
    kind: kind.kind,
    causes: [{ reason: 'FieldValueInvalid', message: problem, field }],
  });
}

/** A patch with a field that nobody knows, under `fieldValidation=Strict`. */
export function unknownPatchField(patch: string, field: string): Refusal {
  const problem = `Invalid value: "${patch}": strict decoding error: unknown field "${field}"`;
  return new Refusal(422, 'Invalid', ` "" is invalid: patch: ${problem}`, {
    causes: [{ reason: 'FieldValueInvalid', message: problem, field: 'patch' }],
  });
}

export function unauthorized(): Refusal {
  return new Refusal(401, 'Unauthorized', 'Unauthorized');
}

export interface AccessAttempt {
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export function forbidden(attempt: AccessAttempt): Refusal {
  const { user, verb, group, name } = attempt;
  const resource = attempt.subresource === '' ? attempt.resource : `${attempt.resource}/${attempt.subresource}`;
  const qualified = group === '' ? attempt.resource : `${attempt.resource}.${group}`;
  const where = attempt.namespace === '' ? 'at the cluster scope' : `in the namespace "${attempt.namespace}"`;
  const subject = name === '' ? qualified : `${qualified} "${name}"`;
  const message = `${subject} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  return new Refusal(403, 'Forbidden', message, {
    ...(name !== '' && { name }),
    ...(group !== '' && { group }),
    kind: attempt.resource,
  });
}

export function namespaceTerminating(kind: Kind, name: string, namespace: string): Refusal {
  const because = `unable to create new content in namespace ${namespace} because it is being terminated`;
  return new Refusal(403, 'Forbidden', `${qualifiedName(kind)} "${name}" is forbidden: ${because}`, {
    ...detailsOf(kind, name),
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}

export function budgetViolated(message: string, retryAfterSeconds?: number): Refusal {
  return new Refusal(429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message }],
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

export function twoBudgets(): Refusal {
  const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
  return new Refusal(500, undefined, message);
}

export function tooOld(asked: number, oldest: number): Refusal {
  return new Refusal(410, 'Expired', `too old resource version: ${asked} (${oldest})`);
}

export function tooLarge(asked: number, current: number): Refusal {
  const message = `Timeout: Too large resource version: ${asked}, current: ${current}`;
  return new Refusal(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

export function watchListRefused(): Refusal {
  const message =
    'a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled';
  return new Refusal(500, 'InternalError', message);
}
