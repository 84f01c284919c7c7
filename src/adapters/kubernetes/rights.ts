/**
 * Every right that Pitcrew uses on the Kubernetes API, and why. One table for three readers: `doctor`, which asks for
 * each, `deploy/kubernetes/rbac.yaml`, which grants exactly these (a test compares), and people.
 */
import { listAt, recordAt, textAt } from '../../cluster/json.ts';
import type { Right } from '../../ports/cluster.ts';
import { moverRights } from './mover-rights.ts';
import { paths } from './paths.ts';
import type { ApiTransport } from './transport.ts';

export interface NeededRight extends Right {
  /** Only there; everywhere else where it is left out. */
  readonly namespace?: string;
  readonly reason: string;
}

/** Events about a Node, which has no namespace, are kept here. */
export const eventNamespace = 'default';

interface RightsLine {
  readonly verbs: readonly string[];
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly reason: string;
}

function linesFor(leaseNamespace: string): readonly RightsLine[] {
  const coordination = 'coordination.k8s.io';
  return [
    { verbs: ['get', 'list', 'watch'], group: '', resource: 'nodes', reason: 'see the servers' },
    { verbs: ['patch'], group: '', resource: 'nodes', reason: 'cordon and uncordon, mark what comes later' },
    { verbs: ['patch'], group: '', resource: 'nodes', subresource: 'status', reason: 'publish maintenance conditions' },
    { verbs: ['get', 'list', 'watch'], group: '', resource: 'pods', reason: 'see what runs where' },
    {
      verbs: ['patch'],
      group: '',
      resource: 'pods',
      reason: 'surge: take a pod out of its ReplicaSet and put it back',
    },
    { verbs: ['create'], group: '', resource: 'pods', subresource: 'eviction', reason: 'evict within the budgets' },
    { verbs: ['list'], group: 'apps', resource: 'replicasets', reason: 'surge: how many replicas are wanted' },
    { verbs: ['get'], group: 'apps', resource: 'deployments', reason: 'surge: may two replicas overlap' },
    ...['deployments', 'statefulsets', 'daemonsets'].map((resource) => ({
      verbs: ['list'],
      group: 'apps',
      resource,
      reason: 'snapshot: who makes a pod again',
    })),
    { verbs: ['list', 'watch'], group: 'policy', resource: 'poddisruptionbudgets', reason: 'find blockers early' },
    {
      verbs: ['list', 'watch'],
      group: '',
      resource: 'persistentvolumeclaims',
      reason: 'know which volume a pod needs',
    },
    {
      verbs: ['list', 'watch'],
      group: '',
      resource: 'persistentvolumes',
      reason: 'know where a volume can be reached',
    },
    {
      verbs: ['list', 'watch'],
      group: '',
      resource: 'namespaces',
      reason: 'understand namespace selectors of affinities',
    },
    {
      verbs: ['list'],
      group: 'storage.k8s.io',
      resource: 'volumeattachments',
      reason: 'wait until volumes are detached',
    },
    {
      verbs: ['get', 'create', 'update', 'delete'],
      group: coordination,
      resource: 'leases',
      namespace: leaseNamespace,
      reason: 'tell Medik8s operators that a node is under maintenance',
    },
    {
      verbs: ['create'],
      group: 'events.k8s.io',
      resource: 'events',
      namespace: eventNamespace,
      reason: 'announce on the node what is done',
    },
  ];
}

export function neededRights(leaseNamespace: string): NeededRight[] {
  return linesFor(leaseNamespace).flatMap(({ verbs, ...right }) => verbs.map((verb) => ({ ...right, verb })));
}

export async function missingRights(
  transport: ApiTransport,
  leaseNamespace: string,
  signal: AbortSignal,
): Promise<Right[]> {
  const missing: Right[] = [];
  const groups = await servedGroups(transport, signal);
  const ofMovers = moverRights.filter(({ group }) => groups.has(group));
  for (const right of [...neededRights(leaseNamespace), ...ofMovers]) {
    const { verb, group, resource, subresource, namespace } = right;
    const review = await transport.json<unknown>(
      {
        verb: 'create',
        resource: 'selfsubjectaccessreviews',
        path: paths.accessReviews,
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: { verb, group, resource, subresource, namespace } },
        },
      },
      signal,
    );
    if (recordAt(review, 'status')['allowed'] !== true) missing.push({ verb, group, resource, subresource, namespace });
  }
  return missing;
}

async function servedGroups(transport: ApiTransport, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const request = { verb: 'get', resource: 'API groups', path: paths.groups } as const;
  const answer = await transport.find<unknown>(request, signal);
  return new Set(listAt(answer, 'groups').map((group) => textAt(group, 'name')));
}
