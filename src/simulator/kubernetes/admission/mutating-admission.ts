/**
 * Applies the MutatingAdmissionPolicies of the cluster to what is created: which policy concerns an object, whether its conditions
 * hold, what its mutations make of it. A new policy takes effect a while after it was stored, as on a real server.
 *
 * Only creations are looked at, and nobody but the API's own registry calls it.
 */
import { isRecord, listAt, recordAt, textAt, textsAt, type JsonRecord } from '../../../cluster/json.ts';
import { apiVersionOf, kinds, type Draft, type Kind } from '../kinds.ts';
import type { ApiObject } from '../objects.ts';
import { jsonPatch } from '../patch.ts';
import { Refusal } from '../refusal.ts';
import type { Registry } from '../registry.ts';
import { strategicMerge } from '../strategic-merge.ts';
import { ExpressionError } from './expression.ts';
import { checkBinding, readPolicy, type Mutation, type Policy } from './policy.ts';

/** A real server looks for changed policies about once a second. */
const effectiveAfterMs = 1_000;

/** From now on every creation goes past the cluster's policies, whoever writes. */
export function applyAdmissionPolicies(registry: Registry): void {
  const admission = new MutatingAdmission(registry);
  registry.admitters.push((kind, draft) => admission.admit(kind, draft));
}

class MutatingAdmission {
  readonly #registry: Registry;
  /** By uid: compiled once. */
  readonly #policies = new Map<string, Policy>();
  /** When an object of this group and version was first seen, by uid and generation. */
  readonly #seenMs = new Map<string, number>();

  constructor(registry: Registry) {
    this.#registry = registry;
    registry.store.subscribe(({ kind, type, object }) => {
      if (kind !== kinds.mutatingAdmissionPolicies && kind !== kinds.mutatingAdmissionPolicyBindings) return;
      const key = versionOf(object);
      if (type !== 'DELETED' && !this.#seenMs.has(key)) this.#seenMs.set(key, registry.clock.nowMs());
    });
  }

  admit(kind: Kind, draft: Draft): Draft {
    if (kind === kinds.mutatingAdmissionPolicies) readPolicy(draft);
    if (kind === kinds.mutatingAdmissionPolicyBindings) checkBinding(draft);
    // Policies are not applied to policies.
    if (kind.group === 'admissionregistration.k8s.io') return draft;
    let admitted = draft;
    for (const binding of this.#registry.store.list(kinds.mutatingAdmissionPolicyBindings)) {
      const policy = this.#policyOf(binding);
      if (policy) admitted = this.#apply(policy, binding, kind, admitted);
    }
    return admitted;
  }

  #policyOf(binding: ApiObject): Policy | undefined {
    const found = this.#registry.store.get(
      kinds.mutatingAdmissionPolicies,
      undefined,
      textAt(binding.spec, 'policyName'),
    );
    if (!found || !this.#isEffective(found) || !this.#isEffective(binding)) return undefined;
    const key = versionOf(found);
    const policy = this.#policies.get(key) ?? readPolicy(found as unknown as Draft);
    this.#policies.set(key, policy);
    return policy;
  }

  #isEffective(object: ApiObject): boolean {
    const seenMs = this.#seenMs.get(versionOf(object)) ?? 0;
    return this.#registry.clock.nowMs() - seenMs >= effectiveAfterMs;
  }

  #apply(policy: Policy, binding: ApiObject, kind: Kind, draft: Draft): Draft {
    const namespace = this.#registry.store.get(kinds.namespaces, undefined, textAt(draft.metadata, 'namespace'));
    const concerns = [policy.match, recordAt(binding.spec, 'matchResources')];
    if (!concerns.every((match) => isConcerned(match, kind, draft, namespace))) return draft;
    try {
      return mutate(policy, kind, draft, namespace);
    } catch (error) {
      if (!(error instanceof ExpressionError || error instanceof Refusal)) throw error;
      if (policy.ignoresFailures) return draft;
      throw denied(policy, binding, kind, draft, error.message);
    }
  }
}

function versionOf({ metadata }: ApiObject): string {
  return `${metadata.uid} ${metadata.generation ?? 0}`;
}

function denied(policy: Policy, binding: ApiObject, kind: Kind, draft: Draft, because: string): Refusal {
  const name = textAt(draft.metadata, 'name');
  const what = `policy '${policy.name}' with binding '${binding.metadata.name}' denied request: ${because}`;
  return new Refusal(403, 'Invalid', `${kind.resource} "${name}" is forbidden: ${what}`, { name, kind: kind.resource });
}

function mutate(policy: Policy, kind: Kind, draft: Draft, namespace: ApiObject | undefined): Draft {
  const variables = (object: Draft): Record<string, unknown> => {
    const own: Record<string, unknown> = {};
    const all = {
      object,
      oldObject: null,
      request: requestOf(kind, object),
      namespaceObject: namespace ?? null,
      variables: own,
    };
    for (const { name, expression } of policy.variables) own[name] = expression.evaluate(all);
    return all;
  };
  const given = variables(draft);
  if (!policy.conditions.every(({ expression }) => expression.evaluate(given) === true)) return draft;
  return policy.mutations.reduce((object, mutation) => applyMutation(mutation, object, variables(object)), draft);
}

function requestOf(kind: Kind, draft: Draft): JsonRecord {
  const { group, version, resource } = kind;
  return {
    operation: 'CREATE',
    kind: { group, version, kind: kind.kind },
    resource: { group, version, resource },
    name: textAt(draft.metadata, 'name'),
    namespace: textAt(draft.metadata, 'namespace'),
    dryRun: false,
  };
}

function applyMutation({ patchType, expression }: Mutation, object: Draft, variables: Record<string, unknown>): Draft {
  const result = expression.evaluate(variables);
  switch (patchType) {
    case 'JSONPatch':
      if (!Array.isArray(result)) throw new ExpressionError('unsupported return type from JSONPatch expression');
      return jsonPatch(object, result) as Draft;
    case 'ApplyConfiguration': {
      if (!isRecord(result)) throw new ExpressionError('unsupported return type from ApplyConfiguration expression');
      const unknown = undeclaredField(result);
      const failed = 'error applying patch: ';
      if (unknown !== undefined) {
        throw new ExpressionError(
          `${failed}failed to convert patch object to typed object: ${unknown}: field not declared in schema`,
        );
      }
      const atomics = atomicsIn(result, '');
      if (atomics.length > 0) {
        const because = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`;
        throw new ExpressionError(`${failed}invalid ApplyConfiguration: ${because}`);
      }
      return strategicMerge(object, result) as Draft;
    }
  }
}

/** Of pods and what they contain: replaced as a whole or not at all, so that a merge would drop what it does not name. */
const atomicFields: ReadonlySet<string> = new Set([
  'add',
  'args',
  'command',
  'drop',
  'envFrom',
  'fieldRef',
  'configMapKeyRef',
  'secretKeyRef',
  'items',
  'labelSelector',
  'matchExpressions',
  'matchFields',
  'nodeSelector',
  'preferredDuringSchedulingIgnoredDuringExecution',
  'requiredDuringSchedulingIgnoredDuringExecution',
  'supplementalGroups',
  'tolerations',
]);

function atomicsIn(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((entry, at) => atomicsIn(entry, `${path}[${at}]`));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, entry]) => {
    // Below labels and annotations every key is a name of the user's.
    if (path === '.metadata') return [];
    return atomicFields.has(key) ? [`${path}.${key}`] : atomicsIn(entry, `${path}.${key}`);
  });
}

const objectFields: ReadonlySet<string> = new Set([
  'apiVersion',
  'kind',
  'metadata',
  'spec',
  'status',
  'data',
  'stringData',
]);
const metadataFields: ReadonlySet<string> = new Set([
  'name',
  'namespace',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
]);

function undeclaredField(result: JsonRecord): string | undefined {
  const top = Object.keys(result).find((key) => !objectFields.has(key));
  if (top !== undefined) return `.${top}`;
  const below = Object.keys(recordAt(result, 'metadata')).find((key) => !metadataFields.has(key));
  return below === undefined ? undefined : `.metadata.${below}`;
}

function isConcerned(match: JsonRecord, kind: Kind, draft: Draft, namespace: ApiObject | undefined): boolean {
  const rules = listAt(match, 'resourceRules');
  const isNamed = rules.length === 0 || rules.some((rule) => fitsRule(rule, kind, draft));
  if (!isNamed || listAt(match, 'excludeResourceRules').some((rule) => fitsRule(rule, kind, draft))) return false;
  if (!fitsSelector(recordAt(match, 'objectSelector'), textsAt(draft.metadata, 'labels'))) return false;
  return !kind.namespaced || fitsSelector(recordAt(match, 'namespaceSelector'), namespace?.metadata.labels ?? {});
}

function fitsRule(rule: unknown, kind: Kind, draft: Draft): boolean {
  const fits = (list: string, value: string): boolean =>
    listAt(rule, list).some((entry) => entry === '*' || entry === value);
  const names = listAt(rule, 'resourceNames');
  const scope = textAt(rule, 'scope');
  return (
    fits('apiGroups', kind.group) &&
    fits('apiVersions', apiVersionOf(kind).split('/').at(-1) ?? '') &&
    fits('operations', 'CREATE') &&
    fits('resources', kind.resource) &&
    (names.length === 0 || names.includes(textAt(draft.metadata, 'name'))) &&
    (scope === '' || scope === '*' || (scope === 'Namespaced') === kind.namespaced)
  );
}

function fitsSelector(selector: JsonRecord, labels: Readonly<Record<string, string>>): boolean {
  const isEqual = Object.entries(textsAt(selector, 'matchLabels')).every(([key, value]) => labels[key] === value);
  return isEqual && listAt(selector, 'matchExpressions').every((entry) => fitsExpression(entry, labels));
}

function fitsExpression(entry: unknown, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[textAt(entry, 'key')];
  const isListed = value !== undefined && listAt(entry, 'values').includes(value);
  switch (textAt(entry, 'operator')) {
    case 'In':
      return isListed;
    case 'NotIn':
      return !isListed;
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      throw new ExpressionError(`"${textAt(entry, 'operator')}" is not a valid label selector operator`);
  }
}
