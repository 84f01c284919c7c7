/** Whose a cordon is, from what an API server notes about who wrote it. */
import { describe, expect, it } from 'vitest';
import { cordonOf } from '../../src/cluster/cordon.ts';

const annotations = { 'pitcrew.dev/cordoned-by': 'run-1', 'pitcrew.dev/cordon-reason': 'x' };

function writtenBy(manager: string, fields: object, more: object = {}): object {
  return { manager, operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: fields, ...more };
}

const unschedulable = { 'f:spec': { 'f:unschedulable': {} } };

function kindFor(managedFields?: readonly object[]): string {
  return cordonOf({ metadata: { annotations, managedFields }, spec: { unschedulable: true } }).kind;
}

describe('a cordon with our name on it', () => {
  it('is ours where we wrote it, and where nothing is known of who did', () => {
    const kubelet = writtenBy('kubelet', { 'f:status': { 'f:conditions': {} } }, { subresource: 'status' });
    const taints = writtenBy('kube-controller-manager', { 'f:spec': { 'f:taints': {} } });
    expect(kindFor([kubelet, taints, writtenBy('pitcrew', unschedulable)])).toBe('ours');
    expect([kindFor(), kindFor([]), kindFor([kubelet, taints])]).toEqual(['ours', 'ours', 'ours']);
    expect(kindFor([writtenBy('before-first-apply', unschedulable)])).toBe('ours');
  });

  it('is somebody else’s where somebody else wrote it, also beside us', () => {
    expect(kindFor([writtenBy('kubectl', unschedulable)])).toBe('foreign');
    const applied = writtenBy('gitops', unschedulable, { operation: 'Apply' });
    expect(kindFor([writtenBy('pitcrew', unschedulable), applied])).toBe('foreign');
  });
});
