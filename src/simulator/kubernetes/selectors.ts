/** Label and field selectors as they stand in a query, compiled into predicates. */
import type { ApiObject } from './objects.ts';
import { badRequest } from './refusal.ts';
import { selectableFields, type Kind } from './kinds.ts';

export type Matcher = (object: ApiObject) => boolean;

export const everything: Matcher = () => true;

const setBased = /^(!?)([\w./-]+)(?:\s+(in|notin)\s+\(([^)]*)\))?$/;
const equality = /^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$/;

export function labelMatcher(selector: string): Matcher {
  if (selector.trim() === '') return everything;
  // Commas inside brackets belong to a set of values.
  const tests = selector.split(/,(?![^(]*\))/).map((part) => labelTest(part.trim()));
  return (object) => {
    const labels = object.metadata.labels ?? {};
    return tests.every((test) => test(labels));
  };
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function labelTest(part: string): LabelTest {
  const equal = equality.exec(part);
  if (equal) {
    const [, key = '', operator = '', value = ''] = equal;
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const set = setBased.exec(part);
  if (!set) throw badRequest(`unable to parse requirement: found '${part}', expected a label selector`);
  const [, not = '', key = '', operator, list = ''] = set;
  if (operator === undefined) {
    return not === '' ? (labels) => labels[key] !== undefined : (labels) => labels[key] === undefined;
  }
  const values = new Set(list.split(',').map((value) => value.trim()));
  if (operator === 'in') return (labels) => labels[key] !== undefined && values.has(labels[key]);
  return (labels) => labels[key] === undefined || !values.has(labels[key]);
}

export function fieldMatcher(kind: Kind, selector: string): Matcher {
  if (selector.trim() === '') return everything;
  const fields = selectableFields(kind);
  const tests = selector.split(',').map((part) => {
    const match = /^([\w.]+)\s*(==|=|!=)\s*(.*)$/.exec(part.trim());
    if (!match) throw badRequest(`invalid field selector: ${selector}`);
    const [, field = '', operator = '', value = ''] = match;
    const read = fields[field];
    const isWanted = operator !== '!=';
    return (object: ApiObject): boolean => (read?.(object) === value) === isWanted;
  });
  const [first, ...others] = tests;
  // One field alone is what nearly everybody asks for, and all objects are looked through.
  if (first && others.length === 0) return first;
  return (object) => tests.every((test) => test(object));
}

/** A field that the kind cannot be selected by is refused, not ignored: an ignored one would select everything. */
export function checkFieldSelector(kind: Kind, selector: string): void {
  if (selector.trim() === '') return;
  const known = selectableFields(kind);
  for (const part of selector.split(',')) {
    const field = part.split(/[!=]/)[0]?.trim() ?? '';
    if (known[field] === undefined) {
      throw badRequest(`Unable to find "${kind.resource}" that match: field label not supported: ${field}`);
    }
  }
}
