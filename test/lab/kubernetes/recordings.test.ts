/**
 * The lab answers like the real API server of the recordings: all of them, in their order, over HTTPS. As in the
 * recorded cluster there is no kubelet, so statuses are patched in by hand; time passes only where it says so.
 *
 * Two stand-ins, both where the recording shows a circumstance and not the API: the watch cache of the recorded server
 * lagged behind (27), which is asked for here with a version that does not exist yet; and an admission policy changed a
 * pod (44), which the lab stores but does not apply, so its two mutations are done by hand.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import { controllerOf, type PodObject } from '../../../src/simulator/kubernetes/objects.ts';
import { testWorld } from '../../simulator/kubernetes/worlds.ts';
import { startLab, type LabUnderTest } from './client.ts';
import { masked, readRecordings, Translation, withoutVersions, type Recording } from './replay.ts';

const recordings = readRecordings();
const world = testWorld({ servers: [], api: { watchList: false } });
const translation = new Translation();
let under: LabUnderTest;
let compared = 0;

beforeAll(async () => {
  under = await startLab(world.api);
});
afterAll(async () => {
  world.stop();
  await under.stop();
});

const controllersCatchUp = (): Promise<void> => world.pass(1_000);

function must(method: string, path: string, body?: unknown, contentType?: string): void {
  const { status, body: answer } = world.ask(method, path, body, contentType);
  if (status >= 300) throw new Error(`set-up: ${method} ${path}: ${status} ${JSON.stringify(answer)}`);
}

const strategic = 'application/strategic-merge-patch+json';

function reportNode(name: string): void {
  const recorded = recordings[1]?.request.body as { status: object };
  must('PATCH', `/api/v1/nodes/${name}/status`, recorded, strategic);
}

async function addNode(name: string, zone: string): Promise<void> {
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone };
  must('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } });
  reportNode(name);
  await controllersCatchUp();
}

/** What the recorder did instead of a kubelet. */
function reportPod(pod: PodObject): void {
  const time = '2026-11-22T08:56:00Z';
  const conditions = [
    ...(pod.status.conditions ?? []).filter((condition) => condition.type === 'PodScheduled'),
    { type: 'Initialized', status: 'True' },
    { type: 'ContainersReady', status: 'True' },
    { type: 'Ready', status: 'True', lastTransitionTime: time },
  ];
  const containerStatuses = pod.spec.containers.map(({ name, image }) => ({
    name,
    state: { running: { startedAt: time } },
    lastState: {},
    ready: true,
    restartCount: 0,
    image,
    imageID: 'sha256:0',
    containerID: `containerd://${pod.metadata.uid.replaceAll('-', '')}`,
    started: true,
  }));
  const ip = '10.244.0.10';
  const status = { phase: 'Running', hostIP: '192.0.2.1', podIP: ip, podIPs: [{ ip }], startTime: time };
  const body = { status: { ...status, conditions, containerStatuses } };
  const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}/status`;
  must('PATCH', path, body, 'application/merge-patch+json');
}

async function reportAllPods(app: string): Promise<void> {
  await controllersCatchUp();
  for (const pod of world.pods('shop', app)) reportPod(pod);
  await controllersCatchUp();
}

function learnPod(recordedName: string, recordedUid: string, pod: PodObject | undefined): void {
  if (!pod) throw new Error(`set-up: no pod stands for ${recordedName}`);
  translation.learn(recordedName, pod.metadata.name);
  if (recordedUid !== '') translation.learn(recordedUid, pod.metadata.uid);
}

async function removeDatabasePod(): Promise<void> {
  must('DELETE', '/api/v1/namespaces/shop/pods/db-0', { gracePeriodSeconds: 0 });
  await controllersCatchUp();
}

function budget(name: string, spec: object): void {
  must('POST', '/apis/policy/v1/namespaces/shop/poddisruptionbudgets', { metadata: { name }, spec });
}

function statefulSet(): void {
  const container = { name: 'db', image: 'registry.local/db:1', resources: { requests: { cpu: '1', memory: '1Gi' } } };
  const spec = { automountServiceAccountToken: false, terminationGracePeriodSeconds: 60, containers: [container] };
  const selector = { matchLabels: { app: 'db' } };
  const template = { metadata: { labels: { app: 'db' } }, spec };
  const set = { metadata: { name: 'db' }, spec: { serviceName: 'db', replicas: 1, selector, template } };
  must('POST', '/apis/apps/v1/namespaces/shop/statefulsets', set);
}

/** The two mutations of the recorded policy, for the pods that it matches. */
function standInForPolicy(): void {
  world.api.registry.admitters.push((kind, draft) => {
    const isOwned = controllerOf(draft as unknown as PodObject)?.name === 'db';
    if (kind !== kinds.pods || !isOwned) return draft;
    return {
      ...draft,
      metadata: { ...draft.metadata, annotations: { 'pitcrew.dev/restore-from': 'm-1' } },
      spec: { ...(draft.spec as object), nodeSelector: { 'kubernetes.io/hostname': 'node-c' } },
    };
  });
}

/** What happened on the recorded cluster before an exchange; none: nothing did. */
const before: Readonly<Record<string, () => void | Promise<void>>> = {
  'create node-a': () => must('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } }),
  'kubelet reports node-a Ready': () => world.pass(50),
  'list nodes': async () => {
    await addNode('node-b', 'rack-b');
    await addNode('node-c', 'rack-c');
  },
  'list pods of one node by field selector': async () => {
    await reportAllPods('web');
    const pods = world.pods('shop', 'web');
    const replicaSet = controllerOf(pods[0] as PodObject);
    translation.learn('web-5b86b64c6f', replicaSet?.name ?? '');
    const onA = pods.find((pod) => pod.spec.nodeName === 'node-a');
    learnPod('web-5b86b64c6f-2wkgg', '30c58275-4dbf-4b3a-a68f-f29b7bcc0cf6', onA);
    const other = pods.find((pod) => pod !== onA);
    learnPod('web-5b86b64c6f-45p77', '86124359-bdb4-4b55-8d47-8e1602d76966', other);
  },
  'evict, refused by the budget': () => controllersCatchUp(),
  'the budget, healthy again': async () => {
    const known = translation.apply(['web-5b86b64c6f-45p77']);
    const replacement = world.pods('shop', 'web').find((pod) => !known.includes(pod.metadata.name));
    learnPod('web-5b86b64c6f-k5xnv', '67314310-71c9-4f6a-aa2f-ac13dcf5d43a', replacement);
    if (replacement) reportPod(replacement);
    await controllersCatchUp();
  },
  'evict right after a refused precondition': () => controllersCatchUp(),
  'evict a pod covered by two budgets': () =>
    budget('web-2', { minAvailable: 1, selector: { matchLabels: { app: 'web' } } }),
  'evict a StatefulSet pod without any budget': async () => {
    statefulSet();
    await reportAllPods('db');
  },
  'evict a pod whose budget can never be met': async () => {
    await removeDatabasePod();
    budget('db', { maxUnavailable: 0, selector: { matchLabels: { app: 'db' } } });
    await reportAllPods('db');
  },
  'the pod that the controller recreated, as changed by the policy': async () => {
    standInForPolicy();
    await removeDatabasePod();
  },
  'create in a terminating namespace': async () => {
    must('POST', '/api/v1/namespaces', { metadata: { name: 'gone' } });
    const spec = { containers: [{ name: 'c', image: 'x' }] };
    must('POST', '/api/v1/namespaces/gone/pods', { metadata: { name: 'p' }, spec });
    await controllersCatchUp();
    must('DELETE', '/api/v1/namespaces/gone');
    await controllersCatchUp();
  },
};

function tokenFor(name: string): string | undefined {
  if (name === 'no valid token') return 'not a token';
  const isViewer = name === 'token without the right' || name.startsWith('ask what I may do');
  return isViewer ? under.lab.tokens.viewer : under.lab.tokens.admin;
}

function pathFor({ name, request }: Recording): string {
  const ahead = String(world.api.store.revision + 2);
  const isLagging = name.startsWith('watch a StatefulSet pod');
  return isLagging ? `${request.path}&resourceVersion=${ahead}` : request.path;
}

test.each(recordings)('$name', async (recording) => {
  await before[recording.name]?.();
  const { request, response } = translation.apply(recording);
  const answer = await under.client.ask({
    method: request.method,
    path: pathFor({ ...recording, request }),
    contentType: request.contentType,
    body: request.body ?? undefined,
    token: tokenFor(recording.name),
  });
  expect(answer.status).toBe(response.status);
  if (response.stream) {
    expect(withoutVersions(answer.lines)).toEqual(withoutVersions(response.stream));
  } else {
    expect(answer.headers['content-type']).toBe(response.headers?.['content-type']);
    expect(answer.headers['retry-after']).toBe(response.headers?.['retry-after']);
    // An event's name is generated; everything else that is generated has been learnt.
    const generated = recording.name === 'Events on a node' ? 'name' : '';
    expect(forget(masked(JSON.parse(answer.text)), generated)).toEqual(forget(masked(response.body), generated));
  }
  compared += 1;
});

function forget(body: unknown, field: string): unknown {
  const { metadata, ...rest } = body as { metadata: Record<string, unknown> };
  return { ...rest, metadata: field === '' ? metadata : { ...metadata, [field]: typeof metadata[field] } };
}

test('every recording was compared', () => {
  expect(compared).toBe(47);
  expect(Object.keys(before).filter((name) => !recordings.some((recording) => recording.name === name))).toEqual([]);
});
