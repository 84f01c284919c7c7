/** The maintenance Lease of a node, by the convention of the Medik8s operators. Never takes one that another still holds. */
import { numberAt, recordAt, textAt } from '../cluster/json.ts';
import type { ApiClient } from './cluster-client.ts';
import { microTimestamp } from './kubernetes/time.ts';

const leasesPath = '/apis/coordination.k8s.io/v1/namespaces/medik8s-leases/leases';

export interface LeaseClaim {
  readonly node: string;
  readonly holder: string;
  readonly durationSeconds: number;
  readonly nowMs: number;
}

function nameOf(node: string): string {
  return `node-${node.toLowerCase()}`;
}

export function holdLease(client: ApiClient, claim: LeaseClaim): 'held' | { by: string } {
  const { holder, durationSeconds, nowMs } = claim;
  const name = nameOf(claim.node);
  const now = microTimestamp(nowMs);
  const renewal = { holderIdentity: holder, leaseDurationSeconds: durationSeconds, renewTime: now };
  const lease = client.find(`${leasesPath}/${name}`);
  if (!lease) {
    const spec = { ...renewal, acquireTime: now, leaseTransitions: 0 };
    client.must(client.ask('POST', leasesPath, { metadata: { name }, spec }), 'create leases');
    return 'held';
  }
  const spec = recordAt(lease, 'spec');
  const by = textAt(spec, 'holderIdentity');
  const untilMs = Date.parse(textAt(spec, 'renewTime')) + numberAt(spec, 'leaseDurationSeconds') * 1000;
  if (by !== '' && by !== holder && untilMs >= nowMs) return { by };
  const transitions = numberAt(spec, 'leaseTransitions') + 1;
  const takeover = by === holder ? {} : { acquireTime: now, leaseTransitions: transitions };
  const body = { ...lease, spec: { ...spec, ...renewal, ...takeover } };
  client.must(client.ask('PUT', `${leasesPath}/${name}`, body), 'update leases');
  return 'held';
}

export function releaseLease(client: ApiClient, node: string, holder: string): void {
  const path = `${leasesPath}/${nameOf(node)}`;
  const lease = client.find(path);
  if (!lease || textAt(recordAt(lease, 'spec'), 'holderIdentity') !== holder) return;
  client.must(client.ask('DELETE', path), 'delete leases');
}
