/**
 * What the answers of the simulated API mean in the words of the Cluster port. The real adapter has its own, fuller
 * table; the contract suite holds both to the same meaning.
 */
import { listAt, numberAt, recordAt, textAt } from '../cluster/json.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { MaintenanceError, type Disposition } from '../errors/maintenance-error.ts';
import type { EvictionAnswer } from '../ports/cluster.ts';
import type { ApiAnswer } from './kubernetes/api.ts';

function classify(status: number): readonly [ErrorCode, Disposition] {
  if (status === 401) return ['cluster/unauthorized', 'halt'];
  if (status === 403) return ['cluster/forbidden', 'halt'];
  if (status === 404) return ['cluster/not-found', 'halt'];
  if (status === 409) return ['cluster/conflict', 'retry'];
  if (status === 429) return ['cluster/throttled', 'wait'];
  if (status >= 500) return ['cluster/unreachable', 'retry'];
  return ['cluster/refused', 'halt'];
}

export function errorOf(what: string, { status, body }: ApiAnswer): MaintenanceError {
  const [code, disposition] = classify(status);
  const retryAfterSeconds = numberAt(recordAt(body, 'details'), 'retryAfterSeconds');
  return new MaintenanceError(code, disposition, `Kubernetes: ${what}: ${textAt(body, 'message')}`, {
    ...(retryAfterSeconds > 0 && { retryAfterMs: retryAfterSeconds * 1000 }),
    details: { status },
  });
}

/** KubeVirt's and Paguro's. */
const migratingTexts = ['Evacuation in progress', 'Eviction triggered evacuation', 'paguro: migrat'];

export function evictionAnswerOf(answer: ApiAnswer): EvictionAnswer {
  const message = textAt(answer.body, 'message');
  const details = recordAt(answer.body, 'details');
  const causes = listAt(details, 'causes');
  if (answer.status < 300) return { kind: 'accepted' };
  if (answer.status === 404) return { kind: 'gone' };
  if (answer.status === 409 && message.includes('UID in the precondition')) return { kind: 'gone' };
  if (answer.status === 500 && message.includes('more than one PodDisruptionBudget'))
    return { kind: 'blocked', message };
  const isTerminating = causes.some((cause) => textAt(cause, 'reason') === 'NamespaceTerminating');
  if (isTerminating) return { kind: 'throttled', message };
  if (answer.status !== 429) throw errorOf('create pods/eviction', answer);
  const cause = causes.find((candidate) => textAt(candidate, 'reason') === 'DisruptionBudget');
  if (cause !== undefined) {
    const said = textAt(cause, 'message');
    return { kind: 'budget', budget: /The disruption budget (\S+) /.exec(said)?.[1] ?? 'unknown', message: said };
  }
  if (message.includes('is configured with an eviction strategy but is not live-migratable')) {
    return { kind: 'blocked', message };
  }
  if (migratingTexts.some((text) => message.includes(text))) return { kind: 'migrating', message };
  const retryAfterSeconds = numberAt(details, 'retryAfterSeconds');
  return { kind: 'throttled', message, ...(retryAfterSeconds > 0 && { retryAfterMs: retryAfterSeconds * 1000 }) };
}
