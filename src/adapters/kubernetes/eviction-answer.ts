/**
 * What the answer to an eviction means. Pure: from status and body to one word of the port.
 *
 * A refusal is rarely an error: the API has one status, 429, for "a budget says no", "a migrator has taken over" and
 * "too many requests", and tells them apart by causes and texts only. The texts are those of Kubernetes (recorded from
 * 1.36), KubeVirt's eviction admitter and Paguro's eviction webhook. It never decides how long to wait.
 */
import type { EvictionAnswer } from '../../ports/cluster.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { errorOf, messageOf, retryAfterMsOf, statusOf, type ApiAnswer, type Asked } from './api-answers.ts';

const migratingTexts = [
  'Eviction triggered evacuation of VMI',
  'Evacuation in progress',
  // The pod is the receiving end of a migration; it is evacuated in its turn once that is over.
  'Eviction request for target Pod',
  'paguro: migrating the pod',
  'paguro: migration ',
];

/** KubeVirt refuses a machine that must migrate and cannot, for ever. */
const blockedTexts = ['is configured with an eviction strategy but is not live-migratable'];

/** `The disruption budget web needs 1 healthy pods …`, `The disruption budget web is still being processed …`. */
const budgetName = /The disruption budget (\S+) /;

function tooManyRequests(answer: ApiAnswer): EvictionAnswer {
  const message = messageOf(answer);
  const cause = statusOf(answer).causes.find((cause) => cause.reason === 'DisruptionBudget');
  if (cause) {
    const said = cause.message || message;
    return { kind: 'budget', budget: budgetName.exec(said)?.[1] ?? 'unknown', message: said };
  }
  if (blockedTexts.some((text) => message.includes(text))) return { kind: 'blocked', message };
  if (migratingTexts.some((text) => message.includes(text))) return { kind: 'migrating', message };
  return { kind: 'throttled', message, retryAfterMs: retryAfterMsOf(answer) };
}

function forbidden(answer: ApiAnswer, asked: Asked): EvictionAnswer {
  const { kind, name, causes } = statusOf(answer);
  const message = messageOf(answer);
  // The namespace controller deletes these pods by itself; there is nothing to do but to look again until they are gone.
  if (causes.some((cause) => cause.reason === 'NamespaceTerminating')) return { kind: 'throttled', message };
  // The budget's own bookkeeping is full or in between two states; its controller catches up.
  if (kind.startsWith('poddisruptionbudget')) return { kind: 'budget', budget: name || 'unknown', message };
  // A webhook's veto is no missing right: `doctor` would look for it in vain.
  if (message.includes('denied the request')) {
    throw new MaintenanceError('cluster/refused', 'halt', `Kubernetes: ${asked.resource}: ${message}`, {
      details: { status: answer.status, verb: asked.verb, resource: asked.resource },
    });
  }
  throw errorOf(asked, answer);
}

function notFound(answer: ApiAnswer, pod: string, asked: Asked): EvictionAnswer {
  const { kind, name, message } = statusOf(answer);
  const aboutPod = kind === 'pods' && name === pod;
  if (aboutPod || kind === 'namespaces' || message.includes('paguro: pod ')) return { kind: 'gone' };
  // "the server could not find the requested resource": the eviction API itself is missing, the pod may well be there.
  throw errorOf(asked, answer);
}

/** @throws MaintenanceError for everything that says nothing about this pod */
export function classifyEviction(pod: { namespace: string; name: string }, answer: ApiAnswer): EvictionAnswer {
  const asked: Asked = { verb: 'create', resource: `pods/eviction ${pod.namespace}/${pod.name}` };
  const message = messageOf(answer);
  switch (answer.status) {
    case 200:
    case 201:
    case 202:
      return { kind: 'accepted' };
    case 403:
      return forbidden(answer, asked);
    case 404:
      return notFound(answer, pod.name, asked);
    case 409:
      if (message.includes('UID in the precondition') || message.includes('UID in precondition'))
        return { kind: 'gone' };
      throw errorOf(asked, answer);
    case 429:
      return tooManyRequests(answer);
    case 500:
      if (message.includes('more than one PodDisruptionBudget')) return { kind: 'blocked', message };
      throw errorOf(asked, answer);
    default:
      throw errorOf(asked, answer);
  }
}
