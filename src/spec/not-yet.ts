/**
 * What the documents will be able to say and this version does not act on yet.
 *
 * Nothing that a person writes is silently ignored: a plan with a schedule that is not kept would be worse than none.
 * Who adds one of these to a schema takes its line out of here.
 */
import type { ValuePath } from './source.ts';

interface NotYet {
  /** The last key, or `parent.key`. */
  readonly where: string;
  readonly kind: 'MaintenancePlan' | 'Playbook' | 'Inventory';
  readonly hint: string;
}

const table: readonly NotYet[] = [
  {
    kind: 'MaintenancePlan',
    where: 'spec.evacuation.limits.bandwidth',
    hint: 'take it out; "perServer" and "perTarget" bound what goes over a link, and KubeVirt has a bandwidth of its own',
  },
  {
    kind: 'MaintenancePlan',
    where: 'spec.gates',
    hint: 'take it out; checks after each server stand in the playbook under "verify"',
  },
  {
    kind: 'MaintenancePlan',
    where: 'spec.silences',
    hint: 'take it out and set the silence in Alertmanager by hand',
  },
  { kind: 'Playbook', where: '*.firmware', hint: 'take it out; call the vendor’s tool with "ssh" instead' },
  { kind: 'Playbook', where: '*.kubernetes', hint: 'take it out; call kubectl on the server with "ssh" instead' },
  { kind: 'Playbook', where: '*.prometheus', hint: 'take it out; ask Prometheus with curl in an "ssh" step instead' },
];

/** Values that are meant to come and are not there yet. */
const values: readonly { readonly where: string; readonly value: string; readonly hint: string }[] = [
  { where: 'bmc.protocol', value: 'redfish', hint: 'write ipmi, which most BMCs speak beside Redfish' },
];

const lists = new Set<PropertyKey>(['prepare', 'service', 'verify', 'undo', 'needed']);

/** The hint where this version does not act on the key yet. */
export function notYetKey(kind: string, parent: ValuePath, key: string): string | undefined {
  const isEntry = parent.length === 3 && parent[0] === 'spec' && lists.has(parent[1] ?? '');
  const where = isEntry ? `*.${key}` : [...parent, key].join('.');
  return table.find((line) => line.kind === kind && line.where === where)?.hint;
}

export function notYetValue(path: ValuePath, value: unknown): string | undefined {
  const where = path.slice(-2).join('.');
  return values.find((line) => line.where === where && line.value === value)?.hint;
}
