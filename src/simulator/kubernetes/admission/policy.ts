/**
 * Reads a MutatingAdmissionPolicy, refusing what a real server refuses and what this one does not know: a policy that would be
 * stored and do nothing is worse than none.
 */
import { isRecord, listAt, recordAt, textAt, type JsonRecord } from '../../../cluster/json.ts';
import { kinds, type Draft } from '../kinds.ts';
import { invalidField } from '../refusal.ts';
import { compile, ExpressionError, type Expression } from './expression.ts';

export interface NamedExpression {
  readonly name: string;
  readonly expression: Expression;
}

export interface Mutation {
  readonly patchType: 'JSONPatch' | 'ApplyConfiguration';
  readonly expression: Expression;
}

export interface Policy {
  readonly name: string;
  readonly match: JsonRecord;
  readonly conditions: readonly NamedExpression[];
  readonly variables: readonly NamedExpression[];
  readonly mutations: readonly Mutation[];
  readonly ignoresFailures: boolean;
}

const specFields = new Set([
  'matchConstraints',
  'variables',
  'mutations',
  'failurePolicy',
  'matchConditions',
  'reinvocationPolicy',
]);
const bindingFields = new Set(['policyName', 'matchResources']);
const matchFields = new Set([
  'resourceRules',
  'excludeResourceRules',
  'namespaceSelector',
  'objectSelector',
  'matchPolicy',
]);
const ruleFields = new Set(['apiGroups', 'apiVersions', 'operations', 'resources', 'resourceNames', 'scope']);
const policyKind = kinds.mutatingAdmissionPolicies;
const bindingKind = kinds.mutatingAdmissionPolicyBindings;

/** Throws the refusal (422) of a real server, with the field. */
export function readPolicy(draft: Draft): Policy {
  const name = textAt(draft.metadata, 'name');
  const spec = recordAt(draft, 'spec');
  const refuse = (field: string, problem: string): never => {
    throw invalidField(policyKind, name, field, problem);
  };
  refuseUnknown(spec, specFields, 'spec', refuse);
  const match = recordAt(spec, 'matchConstraints');
  readMatch(match, 'spec.matchConstraints', refuse);
  if (listAt(match, 'resourceRules').length === 0) refuse('spec.matchConstraints.resourceRules', 'Required value');
  oneOf(spec, 'failurePolicy', ['Fail', 'Ignore'], 'spec', refuse);
  if (textAt(spec, 'reinvocationPolicy') === '') refuse('spec.reinvocationPolicy', 'Required value');
  oneOf(spec, 'reinvocationPolicy', ['Never', 'IfNeeded'], 'spec', refuse);
  const mutations = listAt(spec, 'mutations');
  if (mutations.length === 0) {
    refuse('spec.mutations', 'Required value: mutations must contain at least one item');
  }
  return {
    name,
    match,
    ignoresFailures: textAt(spec, 'failurePolicy') === 'Ignore',
    conditions: readNamed(spec, 'matchConditions', refuse),
    variables: readNamed(spec, 'variables', refuse),
    mutations: mutations.map((mutation, at) => readMutation(mutation, `spec.mutations[${at}]`, refuse)),
  };
}

export function checkBinding(draft: Draft): void {
  const name = textAt(draft.metadata, 'name');
  const spec = recordAt(draft, 'spec');
  const refuse = (field: string, problem: string): never => {
    throw invalidField(bindingKind, name, field, problem);
  };
  refuseUnknown(spec, bindingFields, 'spec', refuse);
  if (textAt(spec, 'policyName') === '') refuse('spec.policyName', 'Required value');
  readMatch(recordAt(spec, 'matchResources'), 'spec.matchResources', refuse);
}

type Refuse = (field: string, problem: string) => never;

function refuseUnknown(value: JsonRecord, known: ReadonlySet<string>, field: string, refuse: Refuse): void {
  const unknown = Object.keys(value).find((key) => !known.has(key));
  if (unknown !== undefined) refuse(`${field}.${unknown}`, 'Forbidden: this cluster does not serve this field');
}

function oneOf(value: JsonRecord, key: string, known: readonly string[], field: string, refuse: Refuse): void {
  const found = textAt(value, key);
  if (found === '' || known.includes(found)) return;
  refuse(
    `${field}.${key}`,
    `Unsupported value: "${found}": supported values: ${known.map((each) => `"${each}"`).join(', ')}`,
  );
}

function readMatch(match: JsonRecord, field: string, refuse: Refuse): void {
  refuseUnknown(match, matchFields, field, refuse);
  for (const rules of ['resourceRules', 'excludeResourceRules']) {
    for (const [at, rule] of listAt(match, rules).entries()) {
      const place = `${field}.${rules}[${at}]`;
      if (!isRecord(rule)) return refuse(place, 'Invalid value: not an object');
      refuseUnknown(rule, ruleFields, place, refuse);
      for (const list of ['apiGroups', 'apiVersions', 'operations', 'resources']) {
        if (listAt(rule, list).length === 0) refuse(`${place}.${list}`, 'Required value');
      }
    }
  }
}

function readNamed(spec: JsonRecord, list: string, refuse: Refuse): NamedExpression[] {
  return listAt(spec, list).map((entry, at) => {
    const name = textAt(entry, 'name');
    if (name === '') refuse(`spec.${list}[${at}].name`, 'Required value');
    return { name, expression: readExpression(entry, `spec.${list}[${at}].expression`, refuse) };
  });
}

function readMutation(mutation: unknown, field: string, refuse: Refuse): Mutation {
  const patchType = textAt(mutation, 'patchType');
  if (patchType === 'JSONPatch') {
    return {
      patchType,
      expression: readExpression(recordAt(mutation, 'jsonPatch'), `${field}.jsonPatch.expression`, refuse),
    };
  }
  if (patchType === 'ApplyConfiguration') {
    const place = `${field}.applyConfiguration.expression`;
    return { patchType, expression: readExpression(recordAt(mutation, 'applyConfiguration'), place, refuse) };
  }
  const known = 'supported values: "ApplyConfiguration", "JSONPatch"';
  return refuse(
    `${field}.patchType`,
    patchType === '' ? 'Required value' : `Unsupported value: "${patchType}": ${known}`,
  );
}

function readExpression(value: unknown, field: string, refuse: Refuse): Expression {
  const text = textAt(value, 'expression');
  if (text.trim() === '') return refuse(field, 'Required value: expression is not specified');
  try {
    return compile(text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return refuse(field, `Invalid value: "${text}": compilation failed: ${error.message}`);
  }
}
