import { describe, expect, it } from 'vitest';
import { classifyEviction } from '../../../src/adapters/kubernetes/eviction-answer.ts';
import type { EvictionAnswer } from '../../../src/ports/cluster.ts';
import { MaintenanceError } from '../../../src/errors/maintenance-error.ts';

const pod = { namespace: 'shop', name: 'web-5b86b64c6f-45p77' };

function failure(code: number, message: string, more: { reason?: string; details?: unknown } = {}) {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, ...more, code },
  };
}

const violates = "Cannot evict pod as it would violate the pod's disruption budget.";

function budgetRefusal(message: string) {
  const causes = [{ reason: 'DisruptionBudget', message }];
  return failure(429, violates, { reason: 'TooManyRequests', details: { causes } });
}

const denied = 'admission webhook "virt-launcher-eviction-interceptor.kubevirt.io" denied the request: ';

/** Bodies of kube-apiserver 1.36.2 as recorded; KubeVirt's and Paguro's by their source. */
const answers: readonly [law: string, answer: Parameters<typeof classifyEviction>[1], expected: EvictionAnswer][] = [
  [
    'an eviction that is taken is accepted',
    { status: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } },
    { kind: 'accepted' },
  ],
  [
    'an eviction refused by a budget is a wait, not an error, and names the budget',
    budgetRefusal('The disruption budget web needs 1 healthy pods and has 1 currently'),
    {
      kind: 'budget',
      budget: 'web',
      message: 'The disruption budget web needs 1 healthy pods and has 1 currently',
    },
  ],
  [
    'a budget that its controller has not looked at yet is waited for',
    budgetRefusal('The disruption budget web is still being processed by the server.'),
    { kind: 'budget', budget: 'web', message: 'The disruption budget web is still being processed by the server.' },
  ],
  [
    'a budget with too many unconfirmed evictions is waited for, although it says 403',
    failure(
      403,
      'poddisruptionbudgets.policy "web" is forbidden: DisruptedPods map too big - too many evictions not confirmed by PDB controller',
      { reason: 'Forbidden', details: { name: 'web', group: 'policy', kind: 'poddisruptionbudgets' } },
    ),
    {
      kind: 'budget',
      budget: 'web',
      message:
        'poddisruptionbudgets.policy "web" is forbidden: DisruptedPods map too big - too many evictions not confirmed by PDB controller',
    },
  ],
  [
    'two budgets on one pod block: no waiting helps',
    failure(500, 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'),
    {
      kind: 'blocked',
      message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    },
  ],
  [
    'a pod that does not exist is gone',
    failure(404, `pods "${pod.name}" not found`, { reason: 'NotFound', details: { name: pod.name, kind: 'pods' } }),
    { kind: 'gone' },
  ],
  [
    'a pod of another uid is gone',
    failure(
      409,
      'Operation cannot be fulfilled on Pod "web-5b86b64c6f-45p77": the UID in the precondition (00000000-0000-0000-0000-000000000000) does not match the UID in record (86124359-bdb4-4b55-8d47-8e1602d76966). The object might have been deleted and then recreated',
      { reason: 'Conflict', details: { name: pod.name, kind: 'Pod' } },
    ),
    { kind: 'gone' },
  ],
  [
    'a pod in a namespace that is being deleted is looked at again until it is gone',
    failure(
      403,
      'pods "p" is forbidden: unable to create new content in namespace gone because it is being terminated',
      {
        reason: 'Forbidden',
        details: {
          name: 'p',
          kind: 'pods',
          causes: [
            {
              reason: 'NamespaceTerminating',
              message: 'namespace gone is being terminated',
              field: 'metadata.namespace',
            },
          ],
        },
      },
    ),
    {
      kind: 'throttled',
      message: 'pods "p" is forbidden: unable to create new content in namespace gone because it is being terminated',
    },
  ],
  [
    'KubeVirt: the first eviction starts a migration',
    failure(429, `${denied}Eviction triggered evacuation of VMI "shop/vm-1"`),
    { kind: 'migrating', message: `${denied}Eviction triggered evacuation of VMI "shop/vm-1"` },
  ],
  [
    'KubeVirt: a repeated eviction finds the migration in progress',
    failure(429, `${denied}Evacuation in progress: Eviction triggered evacuation of VMI "shop/vm-1"`),
    {
      kind: 'migrating',
      message: `${denied}Evacuation in progress: Eviction triggered evacuation of VMI "shop/vm-1"`,
    },
  ],
  [
    'KubeVirt: a machine that must migrate and cannot is blocked for ever',
    failure(429, `${denied}VMI vm-1 is configured with an eviction strategy but is not live-migratable`),
    {
      kind: 'blocked',
      message: `${denied}VMI vm-1 is configured with an eviction strategy but is not live-migratable`,
    },
  ],
  [
    'Paguro: the first eviction starts a migration',
    failure(429, 'paguro: migrating the pod to another node instead of evicting it (migration web-x7)'),
    {
      kind: 'migrating',
      message: 'paguro: migrating the pod to another node instead of evicting it (migration web-x7)',
    },
  ],
  [
    'Paguro: a repeated eviction finds the migration in progress',
    failure(429, 'paguro: migration web-x7 of the pod is in progress (Dumping)'),
    { kind: 'migrating', message: 'paguro: migration web-x7 of the pod is in progress (Dumping)' },
  ],
  [
    'Paguro: the replacement that runs elsewhere under the same name is not ours to evict',
    failure(404, 'paguro: pod web-5b86b64c6f-45p77 left node node-a'),
    { kind: 'gone' },
  ],
  [
    'an unknown 429 is a wait of the length that the server asks for',
    { ...failure(429, 'too many requests'), retryAfterHeader: '7' },
    { kind: 'throttled', message: 'too many requests', retryAfterMs: 7000 },
  ],
  [
    'a 429 without any body is still a wait',
    { status: 429, body: '' },
    { kind: 'throttled', message: 'HTTP status 429', retryAfterMs: undefined },
  ],
];

describe('what the answer to an eviction means', () => {
  it.each(answers)('%s', (_law, answer, expected) => {
    expect(classifyEviction(pod, answer)).toEqual(expected);
  });
});

const errors: readonly [
  law: string,
  answer: Parameters<typeof classifyEviction>[1],
  code: string,
  disposition: string,
][] = [
  [
    'a missing right halts',
    failure(403, 'pods "web" is forbidden: User "viewer" cannot create resource "pods/eviction"', {
      reason: 'Forbidden',
      details: { name: 'web', kind: 'pods' },
    }),
    'cluster/forbidden',
    'halt',
  ],
  [
    'the veto of a webhook is no missing right',
    failure(403, 'admission webhook "freeze.example.org" denied the request: change freeze'),
    'cluster/refused',
    'halt',
  ],
  ['a server error is tried again', failure(500, 'etcdserver: leader changed'), 'cluster/unreachable', 'retry'],
  [
    'an eviction API that is missing does not make the pod gone',
    failure(404, 'the server could not find the requested resource', { reason: 'NotFound', details: {} }),
    'cluster/not-found',
    'halt',
  ],
  ['a page of a proxy is no answer', { status: 502, body: '<html>Bad gateway</html>' }, 'cluster/unreachable', 'retry'],
  ['another conflict is tried again', failure(409, 'the object has been modified'), 'cluster/conflict', 'retry'],
  ['an eviction that is not understood halts', failure(400, 'bad request'), 'cluster/refused', 'halt'],
];

describe('answers to an eviction that say nothing about the pod', () => {
  it.each(errors)('%s', (_law, answer, code, disposition) => {
    let thrown: unknown;
    try {
      classifyEviction(pod, answer);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MaintenanceError);
    expect(thrown).toMatchObject({ code, disposition });
    expect((thrown as MaintenanceError).message).toContain('shop/web-5b86b64c6f-45p77');
  });
});
