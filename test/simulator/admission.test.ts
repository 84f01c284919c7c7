import { describe, expect, it } from 'vitest';
import { recordAt, textsAt } from '../../src/cluster/json.ts';
import { KubernetesApi, type ApiAnswer } from '../../src/simulator/kubernetes/api.ts';
import { compile } from '../../src/simulator/kubernetes/admission/expression.ts';
import { adminUser } from '../../src/simulator/kubernetes/access.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

const group = '/apis/admissionregistration.k8s.io/v1';
const owned = "has(object.metadata.ownerReferences) && object.metadata.ownerReferences.exists(o, o.name == 'db')";
const annotate = 'Object{ metadata: Object.metadata{ annotations: {"pitcrew.dev/restore-from": "m-1"} } }';
const select = '[JSONPatch{op: "add", path: "/spec/nodeSelector", value: {"kubernetes.io/hostname": "node-c"}}]';

function policy(change: Record<string, unknown> = {}): unknown {
  const spec = {
    reinvocationPolicy: 'IfNeeded',
    failurePolicy: 'Fail',
    matchConstraints: {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    },
    matchConditions: [{ name: 'owned', expression: owned }],
    mutations: [
      { patchType: 'ApplyConfiguration', applyConfiguration: { expression: annotate } },
      { patchType: 'JSONPatch', jsonPatch: { expression: select } },
    ],
    ...change,
  };
  return { metadata: { name: 'move' }, spec };
}

function apply(expression: string): Record<string, unknown> {
  return { mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }] };
}

class Server {
  readonly clock = new VirtualClock(Date.UTC(2026, 10, 22));
  readonly api = new KubernetesApi(this.clock, new SeededRandom(7));

  constructor() {
    for (const name of ['shop', 'other']) this.api.registry.create(kinds.namespaces, '', { metadata: { name } });
  }

  send(method: string, path: string, body?: unknown, query = ''): ApiAnswer {
    const request = { method, path, body, query: new URLSearchParams(query), user: adminUser };
    const answer = this.api.handle(request);
    if (answer.kind !== 'answer') throw new Error('a watch was opened');
    return answer;
  }

  bind(change: Record<string, unknown> = {}): ApiAnswer {
    const answer = this.send('POST', `${group}/mutatingadmissionpolicies`, policy(change));
    const matchResources = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } } };
    const spec = { policyName: 'move', matchResources };
    this.send('POST', `${group}/mutatingadmissionpolicybindings`, { metadata: { name: 'move' }, spec });
    return answer;
  }

  async settle(): Promise<void> {
    void this.clock.sleep(1_000);
    await this.clock.run(() => false);
  }

  createPod(namespace = 'shop', owner = 'db', query = ''): ApiAnswer {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: owner, uid: 'u-1' }];
    const body = { metadata: { name: 'db-0', ownerReferences }, spec: { containers: [{ name: 'c', image: 'i:1' }] } };
    return this.send('POST', `/api/v1/namespaces/${namespace}/pods`, body, query);
  }
}

function steered({ body }: ApiAnswer): unknown {
  const annotation = textsAt(recordAt(body, 'metadata'), 'annotations')['pitcrew.dev/restore-from'];
  return { annotation, host: textsAt(recordAt(body, 'spec'), 'nodeSelector')['kubernetes.io/hostname'] };
}

const untouched = { annotation: undefined, host: undefined };

describe('a mutating admission policy', () => {
  it('steers the pods that it matches, by both kinds of patch, and no others', async () => {
    const server = new Server();
    expect(server.bind().status).toBe(201);
    await server.settle();
    expect(steered(server.createPod())).toEqual({ annotation: 'm-1', host: 'node-c' });
    expect(steered(server.createPod('shop', 'cache', 'dryRun=All'))).toEqual(untouched);
    expect(steered(server.createPod('other'))).toEqual(untouched);
  });

  it('takes a while to be at work, and a dry run tells when it is', async () => {
    const server = new Server();
    server.bind();
    expect(steered(server.createPod('shop', 'db', 'dryRun=All'))).toEqual(untouched);
    await server.settle();
    expect(steered(server.createPod('shop', 'db', 'dryRun=All'))).toEqual({ annotation: 'm-1', host: 'node-c' });
  });

  it('does nothing any more once it is deleted', async () => {
    const server = new Server();
    server.bind();
    await server.settle();
    server.send('DELETE', `${group}/mutatingadmissionpolicies/move`);
    expect(steered(server.createPod())).toEqual(untouched);
  });

  it.each([
    ['an atomic map', 'Object{spec: Object.spec{nodeSelector: {"a": "b"}}}', 'structs: .spec.nodeSelector'],
    ['a field that is not there', 'Object{spek: Object.spek{a: 1}}', '.spek: field not declared in schema'],
    ['a map that is no configuration', '{"metadata": 1}.metadata', 'unsupported return type'],
    ['an object without such a key', 'Object{metadata: Object.metadata{name: object.metadata.x.y}}', 'No such key'],
  ])('fails a creation whose configuration is %s', async (_what, expression, because) => {
    const server = new Server();
    server.bind(apply(expression));
    await server.settle();
    const answer = server.createPod();
    expect(answer.status).toBe(403);
    expect(recordAt(answer, 'body')['message']).toContain("policy 'move' with binding 'move' denied request");
    expect(recordAt(answer, 'body')['message']).toContain(because);
  });

  it('lets a creation through where failures are to be ignored', async () => {
    const server = new Server();
    server.bind({ failurePolicy: 'Ignore', ...apply('Object{spec: Object.spec{nodeSelector: {"a": "b"}}}') });
    await server.settle();
    expect(server.createPod().status).toBe(201);
  });

  it.each([
    [
      'a field that this cluster does not serve',
      { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } },
      'spec.paramKind',
    ],
    ['no mutation', { mutations: [] }, 'spec.mutations'],
    ['no word on reinvocation', { reinvocationPolicy: undefined }, 'spec.reinvocationPolicy'],
    ['an unknown failure policy', { failurePolicy: 'Perhaps' }, 'spec.failurePolicy'],
    ['an unknown patch', { mutations: [{ patchType: 'Merge' }] }, 'spec.mutations[0].patchType'],
    ['a broken expression', apply('Object{'), 'spec.mutations[0].applyConfiguration.expression'],
    ['a type beside its field', apply('Object{spec: Object.specx{a: 1}}'), 'applyConfiguration.expression'],
  ])('is refused with %s', (_what, change, field) => {
    const answer = new Server().bind(change);
    expect(answer.status).toBe(422);
    expect(recordAt(answer, 'body')['message']).toContain(field);
  });
});

describe('an expression', () => {
  it.each([
    [
      'Object{spec: Object.spec{containers: [Object.spec.containers{name: "a"}]}}',
      { spec: { containers: [{ name: 'a' }] } },
    ],
    ["'Object{not: an object}'", 'Object{not: an object}'],
    ['jsonpatch.escapeKey("a/b~c")', 'a~1b~0c'],
    ['[JSONPatch{op: "add", path: "/x", value: Object.spec{a: 1}}]', [{ op: 'add', path: '/x', value: { a: 1 } }]],
    ['has(object.spec.x) ? object.spec.x : object.spec.n + 1', 3],
  ])('%s gives what CEL gives', (text, expected) => {
    expect(compile(text).evaluate({ object: { spec: { n: 2 } } })).toEqual(expected);
  });
});
