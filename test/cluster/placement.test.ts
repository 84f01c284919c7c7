import { describe, expect, test } from 'vitest';
import { parsePod } from '../../src/cluster/parse.ts';
import { anywhere, doPortsCollide, isWantedNode, matchesPodTerm } from '../../src/cluster/placement.ts';
import { parseClaim, parseVolume } from '../../src/cluster/storage.ts';
import { matchesNodeTerms } from '../../src/cluster/placement.ts';

const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const rulesOf = (spec: object, labels = {}) => parsePod({ metadata: { namespace: 'shop', labels }, spec }).placement;
const node = (labels: Record<string, string>, name = 'n1') => ({ name, labels });
const affinity = (...nodeSelectorTerms: object[]) => ({
  affinity: { nodeAffinity: { [required]: { nodeSelectorTerms } } },
});
const term = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }],
});

describe('nodes that a pod wants', () => {
  test.each([
    [term('disk', 'In', 'ssd', 'nvme'), { disk: 'nvme' }, true],
    [term('disk', 'In', 'ssd'), {}, false],
    [term('disk', 'NotIn', 'ssd'), {}, true],
    [term('disk', 'Exists'), { disk: '' }, true],
    [term('disk', 'DoesNotExist'), { disk: '' }, false],
    [term('cores', 'Gt', '8'), { cores: '16' }, true],
    [term('cores', 'Gt', '16'), { cores: '16' }, false],
    [term('cores', 'Lt', '8'), { cores: 'many' }, false],
    [term('cores', 'Lt', '8'), { cores: '7' }, true],
    [{}, { disk: 'ssd' }, false],
  ])('term %j on labels %j: %s', (one, labels, isWanted) => {
    expect(isWantedNode(rulesOf(affinity(one)), node(labels))).toBe(isWanted);
  });

  test('one of several terms is enough, and every requirement of it counts', () => {
    const rules = rulesOf(
      affinity(term('zone', 'In', 'a'), {
        ...term('zone', 'In', 'b'),
        matchFields: term('metadata.name', 'In', 'n2').matchExpressions,
      }),
    );
    expect(isWantedNode(rules, node({ zone: 'a' }))).toBe(true);
    expect(isWantedNode(rules, node({ zone: 'b' }))).toBe(false);
    expect(isWantedNode(rules, node({ zone: 'b' }, 'n2'))).toBe(true);
  });

  test('affinity without any term wants no node, a selector every label of it', () => {
    expect(isWantedNode(rulesOf(affinity()), node({}))).toBe(false);
    const rules = rulesOf({ nodeSelector: { disk: 'ssd', zone: 'a' } });
    expect(isWantedNode(rules, node({ disk: 'ssd', zone: 'a', more: '' }))).toBe(true);
    expect(isWantedNode(rules, node({ disk: 'ssd' }))).toBe(false);
  });

  test('a pod that is moved alive is sent to its node; once it is there, only its own selector counts', () => {
    const spec = { nodeSelector: { disk: 'ssd', 'kubernetes.io/hostname': 'n1' } };
    const elsewhere = node({ disk: 'ssd', 'kubernetes.io/hostname': 'n2' });
    const metadata = { annotations: { 'pitcrew.dev/move': 'm' } };
    const onItsWay = parsePod({ metadata, spec }).placement;
    const there = parsePod({ metadata, spec: { ...spec, nodeName: 'n1' } }).placement;
    expect([rulesOf(spec), onItsWay, there].map((rules) => isWantedNode(rules, elsewhere))).toEqual([
      false,
      false,
      true,
    ]);
    expect(isWantedNode(there, node({ disk: 'hdd', 'kubernetes.io/hostname': 'n1' }))).toBe(false);
  });
});

describe('pods that a term speaks of', () => {
  const apart = (more: object) =>
    rulesOf({ affinity: { podAntiAffinity: { [required]: [{ topologyKey: 'zone', ...more }] } } }).apart;
  const isMeant = (more: object, pod: { namespace: string; labels: Record<string, string> }): boolean =>
    apart(more).some((one) => matchesPodTerm(one, 'shop', pod, (name) => ({ team: name === 'bank' ? 'money' : '' })));
  const labelSelector = { matchLabels: { app: 'db' } };
  const db = (namespace: string) => ({ namespace, labels: { app: 'db' } });

  test('without a word about namespaces it is the own one', () => {
    expect(isMeant({ labelSelector }, db('shop'))).toBe(true);
    expect(isMeant({ labelSelector }, db('bank'))).toBe(false);
  });

  test('names and selector of namespaces add up, and an empty selector means all', () => {
    expect(isMeant({ labelSelector, namespaces: ['bank'] }, db('shop'))).toBe(false);
    expect(isMeant({ labelSelector, namespaceSelector: { matchLabels: { team: 'money' } } }, db('bank'))).toBe(true);
    expect(isMeant({ labelSelector, namespaceSelector: { matchLabels: { team: 'money' } } }, db('shop'))).toBe(false);
    expect(isMeant({ labelSelector, namespaceSelector: {} }, db('anything'))).toBe(true);
  });

  test('a missing label selector means no pod, an empty one every pod', () => {
    expect(isMeant({}, db('shop'))).toBe(false);
    expect(isMeant({ labelSelector: {} }, { namespace: 'shop', labels: {} })).toBe(true);
  });
});

describe('rules of a pod', () => {
  test('wishes are no rules', () => {
    const preferred = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1 }] };
    const spread = { topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: {} };
    expect(rulesOf({ topologySpreadConstraints: [spread] })).toBe(anywhere);
    expect(rulesOf({ affinity: { podAntiAffinity: preferred, nodeAffinity: preferred } })).toMatchObject(anywhere);
  });

  test('pods that say the same share one object', () => {
    const spec = { nodeSelector: { disk: 'ssd' } };
    expect(rulesOf(spec)).toBe(rulesOf({ ...spec }));
    expect(rulesOf(spec)).not.toBe(rulesOf({ nodeSelector: { disk: 'hdd' } }));
  });

  test('matchLabelKeys counts only pods of the same value', () => {
    const spread = {
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: {},
      matchLabelKeys: ['hash'],
    };
    const selectorOf = (hash: string) => rulesOf({ topologySpreadConstraints: [spread] }, { hash }).spread[0]?.selector;
    expect(selectorOf('x')?.matchExpressions).toEqual([{ key: 'hash', operator: 'In', values: ['x'] }]);
    expect(selectorOf('y')?.matchExpressions).toEqual([{ key: 'hash', operator: 'In', values: ['y'] }]);
  });

  test('host ports collide on one address, and 0.0.0.0 is every address', () => {
    const ports = (hostIP?: string) =>
      rulesOf({ containers: [{ ports: [{ hostPort: 80, hostIP }, { containerPort: 1 }] }] });
    const [all = ''] = ports().hostPorts;
    const [one = ''] = ports('10.0.0.1').hostPorts;
    const [other = ''] = ports('10.0.0.2').hostPorts;
    expect([doPortsCollide(all, one), doPortsCollide(one, other), doPortsCollide(one, one)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(doPortsCollide(all, all.replace('TCP', 'UDP'))).toBe(false);
  });
});

describe('requests', () => {
  const requestsOf = (spec: object) => parsePod({ spec }).requests;
  const asks = (requests: object, more = {}) => ({ resources: { requests }, ...more });

  test('an init container counts with the sidecars that started before it', () => {
    const sidecar = asks({ cpu: '1' }, { restartPolicy: 'Always' });
    const spec = { containers: [asks({ cpu: '1' })], initContainers: [sidecar, asks({ cpu: '3' })] };
    expect(requestsOf(spec).cpuMillis).toBe(4000);
    expect(requestsOf({ ...spec, initContainers: [asks({ cpu: '3' }), sidecar] }).cpuMillis).toBe(3000);
  });

  test('everything that is counted is known by its name', () => {
    const spec = { containers: [asks({ 'nvidia.com/gpu': '2', memory: '1Gi' }), asks({ 'nvidia.com/gpu': 1 })] };
    expect(requestsOf(spec)).toEqual({ cpuMillis: 0, memoryBytes: 2 ** 30, others: { 'nvidia.com/gpu': 3 } });
  });

  test('requests of the pod as a whole take the place of the sum, and overhead comes on top', () => {
    const spec = {
      resources: { requests: { cpu: '2' } },
      overhead: { cpu: '1' },
      containers: [asks({ cpu: '5', memory: '1' })],
    };
    expect(requestsOf(spec)).toMatchObject({ cpuMillis: 3000, memoryBytes: 1 });
  });
});

describe('storage', () => {
  test('a volume is reached from where its node affinity says, a claim knows its volume', () => {
    const nodeAffinity = { required: { nodeSelectorTerms: [term('kubernetes.io/hostname', 'In', 'n1')] } };
    const { nodeTerms = [] } = parseVolume({ spec: { nodeAffinity } });
    expect(matchesNodeTerms(nodeTerms, node({ 'kubernetes.io/hostname': 'n1' }))).toBe(true);
    expect(matchesNodeTerms(nodeTerms, node({ 'kubernetes.io/hostname': 'n2' }))).toBe(false);
    expect(parseVolume({ spec: {} }).nodeTerms).toBeUndefined();
    const claim = {
      metadata: { namespace: 'shop', name: 'data' },
      spec: { volumeName: 'pv-1', accessModes: ['ReadWriteOnce'] },
    };
    expect(parseClaim(claim)).toEqual({ namespace: 'shop', name: 'data', volume: 'pv-1', isOnOneNode: true });
    expect(parseClaim({ spec: { accessModes: ['ReadWriteMany'] } }).isOnOneNode).toBe(false);
  });
});
