/**
 * Who may do what: roles as a real cluster would bind them, and the answer to "may I?".
 *
 * It never decides who somebody is; the door that took the token does.
 */
import { recordAt, textAt } from '../../cluster/json.ts';
import { forbidden, type AccessAttempt } from './refusal.ts';

export interface Rule {
  readonly verbs: readonly string[];
  readonly groups: readonly string[];
  /** `pods`, `pods/eviction`, or `*`. */
  readonly resources: readonly string[];
}

export const adminUser = 'system:admin';
export const pitcrewUser = 'system:serviceaccount:pitcrew:pitcrew';
export const viewerUser = 'system:serviceaccount:default:viewer';

const readVerbs = ['get', 'list', 'watch'];
const migrationVerbs = ['get', 'list', 'create', 'delete'];
const anyone: readonly Rule[] = [
  { verbs: ['create'], groups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'] },
];

const rolesByUser: Readonly<Record<string, readonly Rule[]>> = {
  [adminUser]: [{ verbs: ['*'], groups: ['*'], resources: ['*'] }],
  [viewerUser]: [...anyone, { verbs: readVerbs, groups: ['*'], resources: ['*'] }],
  /** What the orchestrator needs, and no more: a right that it comes to need has to be added here, and to its role. */
  [pitcrewUser]: [
    ...anyone,
    { verbs: readVerbs, groups: [''], resources: ['nodes', 'pods'] },
    { verbs: ['patch'], groups: [''], resources: ['nodes', 'nodes/status', 'pods'] },
    { verbs: ['create'], groups: [''], resources: ['pods/eviction'] },
    { verbs: ['list'], groups: ['apps'], resources: ['replicasets'] },
    { verbs: ['get'], groups: ['apps'], resources: ['deployments'] },
    { verbs: ['list'], groups: ['apps'], resources: ['deployments', 'statefulsets', 'daemonsets'] },
    { verbs: readVerbs, groups: ['policy'], resources: ['poddisruptionbudgets'] },
    {
      verbs: ['list', 'watch'],
      groups: [''],
      resources: ['persistentvolumeclaims', 'persistentvolumes', 'namespaces'],
    },
    { verbs: ['list'], groups: ['storage.k8s.io'], resources: ['volumeattachments'] },
    { verbs: ['get', 'create', 'update', 'delete'], groups: ['coordination.k8s.io'], resources: ['leases'] },
    { verbs: ['create'], groups: ['events.k8s.io'], resources: ['events'] },
    { verbs: ['list'], groups: ['kubevirt.io'], resources: ['kubevirts'] },
    { verbs: ['get', 'list'], groups: ['kubevirt.io'], resources: ['virtualmachineinstances'] },
    { verbs: migrationVerbs, groups: ['kubevirt.io'], resources: ['virtualmachineinstancemigrations'] },
    { verbs: migrationVerbs, groups: ['paguro.dev', 'live.cast.ai'], resources: ['migrations'] },
  ],
};

export class Access {
  readonly #rules = new Map<string, readonly Rule[]>(Object.entries(rolesByUser));

  /** Replaces the rules of one user, e.g. to take a right away. */
  grant(user: string, rules: readonly Rule[]): void {
    this.#rules.set(user, rules);
  }

  rulesOf(user: string): readonly Rule[] {
    return this.#rules.get(user) ?? anyone;
  }

  isAllowed(user: string, verb: string, group: string, resource: string): boolean {
    return this.rulesOf(user).some(
      (rule) => covers(rule.verbs, verb) && covers(rule.groups, group) && covers(rule.resources, resource),
    );
  }

  check(attempt: AccessAttempt): void {
    const resource = attempt.subresource === '' ? attempt.resource : `${attempt.resource}/${attempt.subresource}`;
    if (!this.isAllowed(attempt.user, attempt.verb, attempt.group, resource)) throw forbidden(attempt);
  }

  /** Answers a SelfSubjectAccessReview. */
  review(user: string, body: unknown): unknown {
    const spec = recordAt(body, 'spec');
    const asked = recordAt(spec, 'resourceAttributes');
    const subresource = textAt(asked, 'subresource');
    const resource = subresource === '' ? textAt(asked, 'resource') : `${textAt(asked, 'resource')}/${subresource}`;
    const allowed = this.isAllowed(user, textAt(asked, 'verb'), textAt(asked, 'group'), resource);
    return {
      kind: 'SelfSubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      metadata: {},
      spec,
      status: { allowed },
    };
  }
}

function covers(list: readonly string[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}
