import { describe, expect, test } from 'vitest';
import { parseBudget, parseNode, parsePod } from '../../src/cluster/parse.ts';
import { cpuMillisOf, memoryBytesOf, parseQuantity } from '../../src/cluster/quantity.ts';
import { matchesSelector } from '../../src/cluster/scheduling.ts';

const node = (spec: object, annotations = {}): unknown => ({ metadata: { name: 'n', annotations }, spec });
const withReady = (status: string): unknown => ({ status: { conditions: [{ type: 'Ready', status }] } });
const container = (cpu: string, more = {}): unknown => ({ resources: { requests: { cpu } }, ...more });
const cpuOf = (spec: object): number => parsePod({ spec }).requests.cpuMillis;

describe('quantities', () => {
  test.each([
    ['100m', 0.1],
    ['16Gi', 16 * 2 ** 30],
    ['1e3', 1000],
    ['1E3', 1000],
    ['1E', 1e18],
    ['0.5', 0.5],
    ['.5', 0.5],
    ['5.', 5],
    ['128k', 128_000],
    ['1Ki', 1024],
    ['-2', -2],
    [8, 8],
  ])('%s is %d', (text, value) => {
    expect(parseQuantity(text)).toBeCloseTo(value, 9);
  });

  test.each(['', 'x', '1 Gi', '1KiB', '1e', '--1', '1.2.3', undefined, null, {}])('%j is no quantity', (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });

  test('parts of a millicore or byte count as a whole one, rounding errors do not', () => {
    expect(cpuMillisOf('1.1')).toBe(1100);
    expect(cpuMillisOf('100500u')).toBe(101);
    expect(memoryBytesOf('0.5')).toBe(1);
    expect(memoryBytesOf('1.5Gi')).toBe(1_610_612_736);
  });
});

describe('when a pod was made', () => {
  test.each([
    ['2026-11-22T13:00:00Z', Date.UTC(2026, 10, 22, 13)],
    ['yesterday', 0],
    [undefined, 0],
    [7, 0],
  ])('%j is %d', (creationTimestamp, createdMs) => {
    expect(parsePod({ metadata: { creationTimestamp } }).createdMs).toBe(createdMs);
  });
});

describe('nodes', () => {
  const owned = { 'pitcrew.dev/cordoned-by': 'run-1', 'pitcrew.dev/cordon-reason': 'kernel' };

  test('a cordon that carries a run is ours, any other is foreign', () => {
    expect(parseNode(node({ unschedulable: true }, owned)).cordon).toEqual({
      kind: 'ours',
      runId: 'run-1',
      reason: 'kernel',
    });
    expect(parseNode(node({ unschedulable: true })).cordon).toEqual({ kind: 'foreign' });
  });

  test('a left-over annotation on a node that is not cordoned is no cordon', () => {
    expect(parseNode(node({}, owned)).cordon).toEqual({ kind: 'none' });
  });

  test('a node is ready only by its Ready condition', () => {
    expect(parseNode(withReady('True')).ready).toBe(true);
    expect(parseNode(withReady('Unknown')).ready).toBe(false);
    expect(parseNode({}).ready).toBe(false);
  });

  test('boot, kernel, taints and room are read from spec and status', () => {
    const view = parseNode({
      metadata: { name: 'n', uid: 'u', labels: { a: 'b' } },
      spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] },
      status: {
        nodeInfo: { bootID: 'boot', kernelVersion: '6.12' },
        allocatable: { cpu: '7500m', memory: '16Gi', pods: '110' },
        volumesInUse: ['kubernetes.io/csi/x'],
      },
    });
    expect(view).toMatchObject({ name: 'n', uid: 'u', labels: { a: 'b' }, bootId: 'boot', kernelVersion: '6.12' });
    expect(view.taints).toEqual([{ key: 'k', value: undefined, effect: 'NoSchedule' }]);
    expect(view.allocatable).toEqual({ cpuMillis: 7500, memoryBytes: 16 * 2 ** 30, pods: 110, others: {} });
    expect(view.volumesInUse).toEqual(['kubernetes.io/csi/x']);
  });
});

describe('pods', () => {
  test('only the controlling owner counts as the owner', () => {
    const ownerReferences = [
      { kind: 'Thing', name: 't', uid: '1' },
      { kind: 'ReplicaSet', name: 'web-1', uid: '2', controller: true },
    ];
    expect(parsePod({ metadata: { ownerReferences } }).owner).toEqual({ kind: 'ReplicaSet', name: 'web-1', uid: '2' });
    expect(parsePod({ metadata: { ownerReferences: ownerReferences.slice(0, 1) } }).owner).toBeUndefined();
  });

  test.each([
    [{ emptyDir: {} }, { kind: 'emptyDir' }],
    [{ hostPath: { path: '/' } }, { kind: 'hostPath' }],
    [{ persistentVolumeClaim: { claimName: 'c' } }, { kind: 'persistentVolumeClaim', claim: 'c' }],
    [{ ephemeral: { volumeClaimTemplate: {} } }, { kind: 'persistentVolumeClaim', claim: 'p-v' }],
    [{ projected: { sources: [] } }, { kind: 'configuration' }],
    [{ secret: {} }, { kind: 'configuration' }],
    [{ nfs: {} }, { kind: 'other' }],
  ])('volume %j is %j', (source, expected) => {
    const pod = parsePod({ metadata: { name: 'p' }, spec: { volumes: [{ name: 'v', ...source }] } });
    expect(pod.volumes).toEqual([{ name: 'v', ...expected }]);
  });

  test('the variables that hold its address are named with their container, and no others', () => {
    const env = [
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'ALL', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
      { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
      { name: 'FIXED', value: 'status.podIP' },
    ];
    const pod = parsePod({ spec: { containers: [{ name: 'app', env }, { name: 'side' }] } });
    expect(pod.addressVariables).toEqual(['POD_IP of app', 'ALL of app']);
  });

  test('an init container that runs on is a sidecar', () => {
    const initContainers = [{ name: 'once' }, { name: 'proxy', restartPolicy: 'Always' }];
    expect(parsePod({ spec: { initContainers } }).sidecars).toEqual(['proxy']);
  });

  test('requests are containers and sidecars together, or the largest init container, plus overhead', () => {
    expect(cpuOf({ containers: [container('100m'), container('1')] })).toBe(1100);
    expect(cpuOf({ containers: [container('1')], initContainers: [container('3')] })).toBe(3000);
    expect(cpuOf({ containers: [container('1')], initContainers: [container('3', { restartPolicy: 'Always' })] })).toBe(
      4000,
    );
    expect(cpuOf({ containers: [container('1')], overhead: { cpu: '50m' } })).toBe(1050);
    expect(cpuOf({ containers: [{ resources: { limits: { cpu: '2' } } }] })).toBe(2000);
  });

  test('a deletion timestamp means leaving; what the server left out has its default', () => {
    expect(parsePod({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }).leaving).toBe(true);
    expect(parsePod({})).toMatchObject({
      leaving: false,
      phase: 'Pending',
      ready: false,
      node: '',
      gracePeriodSeconds: 30,
      priority: 0,
      createdMs: 0,
      hostNetwork: false,
      addressVariables: [],
      sidecars: [],
    });
  });
});

describe('budgets', () => {
  test('what the owner asked for is kept in the owner’s words', () => {
    expect(parseBudget({ spec: { minAvailable: 2 } }).asks).toBe('minAvailable 2');
    expect(parseBudget({ spec: { maxUnavailable: '25%' } }).asks).toBe('maxUnavailable 25%');
    expect(parseBudget({ spec: { maxUnavailable: 0 } }).asks).toBe('maxUnavailable 0');
  });

  test('an empty selector selects every pod, a missing one none', () => {
    expect(matchesSelector(parseBudget({ spec: { selector: {} } }).selector, { a: 'b' })).toBe(true);
    expect(matchesSelector(parseBudget({ spec: {} }).selector, { a: 'b' })).toBe(false);
  });
});
