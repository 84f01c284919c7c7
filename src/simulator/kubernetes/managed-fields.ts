/**
 * `metadata.managedFields`, as far as anybody here reads it: who wrote `spec.unschedulable` of a node last. An update that
 * changes the field takes it over, one that leaves it as it is does not, and one that removes it leaves nobody.
 */
import { flagAt, recordAt } from '../../cluster/json.ts';
import type { Draft } from './kinds.ts';
import type { ApiObject } from './objects.ts';

export function withCordonManager(current: ApiObject, next: Draft, manager: string, time: string): Draft {
  const [before, after] = [current, next].map((object) => flagAt(recordAt(object, 'spec'), 'unschedulable'));
  const { managedFields: _given, ...metadata } = next.metadata ?? {};
  const known = recordAt(current, 'metadata')['managedFields'];
  const fieldsV1 = { 'f:spec': { 'f:unschedulable': {} } };
  const entry = { manager, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1 };
  const managedFields = before === after ? known : after === true ? [entry] : undefined;
  return { ...next, metadata: { ...metadata, ...(managedFields !== undefined && { managedFields }) } };
}
