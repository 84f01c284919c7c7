/**
 * What is done to pods: eviction, and taking a pod out of its ReplicaSet while it still serves (and putting it back).
 *
 * Everything is bound to the pod's uid: a replacement of the same name is another pod. It never deletes.
 */
import { listAt, recordAt, textAt, textsAt, type JsonRecord } from '../../cluster/json.ts';
import { parsePod } from '../../cluster/parse.ts';
import { podKey, type PodRef, type PodView } from '../../cluster/pod.ts';
import { originalHash, releasedHash, templateHashLabel } from '../../cluster/released.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EvictionAnswer } from '../../ports/cluster.ts';
import { isStatus } from './api-answers.ts';
import { classifyEviction } from './eviction-answer.ts';
import { paths, writeQuery } from './paths.ts';
import type { ApiTransport } from './transport.ts';

export interface PodTools {
  readonly transport: ApiTransport;
  readonly clock: Clock;
}

const raceTriesMax = 5;
const racePauseMs = 50;

/** The pod of this uid, or `undefined`. */
async function readSame(transport: ApiTransport, pod: PodRef, signal: AbortSignal): Promise<JsonRecord | undefined> {
  const request = { verb: 'get', resource: `pods/${podKey(pod)}`, path: paths.pod(pod) } as const;
  const object = await transport.find<JsonRecord>(request, signal);
  return object && textAt(recordAt(object, 'metadata'), 'uid') === pod.uid ? object : undefined;
}

export async function evict(tools: PodTools, pod: PodRef, signal: AbortSignal): Promise<EvictionAnswer> {
  // Read first: an eviction that its uid precondition refuses has already been charged to the budget.
  const object = await readSame(tools.transport, pod, signal);
  if (!object) return { kind: 'gone' };
  // On its way out already. Asking again would change nothing and could be charged.
  if (textAt(recordAt(object, 'metadata'), 'deletionTimestamp')) return { kind: 'accepted' };
  const answer = await tools.transport.ask(
    {
      verb: 'create',
      resource: `pods/eviction ${podKey(pod)}`,
      path: paths.eviction(pod),
      query: writeQuery,
      body: {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: pod.name, namespace: pod.namespace },
        deleteOptions: { preconditions: { uid: pod.uid } },
      },
    },
    signal,
  );
  return classifyEviction(pod, answer);
}

export async function setReleased(
  tools: PodTools,
  pod: PodRef,
  released: boolean,
  signal: AbortSignal,
): Promise<'changed' | 'unchanged' | 'gone'> {
  for (let tries = 1; ; tries += 1) {
    const object = await readSame(tools.transport, pod, signal);
    if (!object) return 'gone';
    const patch = releasePatch(pod, object, released);
    if (!patch) return 'unchanged';
    try {
      await tools.transport.json(
        {
          verb: 'patch',
          resource: `pods/${podKey(pod)}`,
          path: paths.pod(pod),
          query: writeQuery,
          patchType: 'json-patch',
          body: patch,
        },
        signal,
      );
      return 'changed';
    } catch (error) {
      if (isStatus(error, 404)) return 'gone';
      // 422: one of the tests in the patch failed, so the pod is no longer the one that was read.
      const isRace = isStatus(error, 409) || isStatus(error, 422);
      if (!isRace || tries >= raceTriesMax) throw error;
      await tools.clock.sleep(racePauseMs * tries, signal);
    }
  }
}

type JsonPatch = readonly { op: 'test' | 'replace'; path: string; value: string }[];

/** `undefined`: nothing to change. */
function releasePatch(pod: PodRef, object: JsonRecord, released: boolean): JsonPatch | undefined {
  const hash = textsAt(recordAt(object, 'metadata'), 'labels')[templateHashLabel];
  if (hash === undefined) {
    throw new MaintenanceError(
      'cluster/refused',
      'halt',
      `pod ${podKey(pod)} has no label ${templateHashLabel}: it belongs to no ReplicaSet of a Deployment`,
    );
  }
  const value = released ? releasedHash(hash) : originalHash(hash);
  if (value === hash) return undefined;
  const path = `/metadata/labels/${templateHashLabel}`;
  return [
    { op: 'test', path: '/metadata/uid', value: pod.uid },
    { op: 'test', path, value: hash },
    { op: 'replace', path, value },
  ];
}

/** VolumeAttachments know no field selector for the node, so all of them are read, page by page. */
/** Straight from the API, all pages of it. */
export async function podsOn(transport: ApiTransport, node: string, signal: AbortSignal): Promise<PodView[]> {
  const pods: PodView[] = [];
  let continued = '';
  do {
    const query = { fieldSelector: `spec.nodeName=${node}`, limit: 500, continue: continued || undefined };
    const request = { verb: 'list', resource: 'pods', path: paths.pods, query } as const;
    const page = await transport.json<JsonRecord>(request, signal);
    pods.push(...listAt(page, 'items').map(parsePod));
    continued = textAt(recordAt(page, 'metadata'), 'continue');
  } while (continued !== '');
  return pods;
}

export async function attachedVolumes(transport: ApiTransport, node: string, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  let continued = '';
  do {
    const page = await transport.json<JsonRecord>(
      {
        verb: 'list',
        resource: 'volumeattachments',
        path: paths.volumeAttachments,
        query: { limit: 500, continue: continued || undefined },
      },
      signal,
    );
    for (const item of listAt(page, 'items')) {
      const isHere = textAt(recordAt(item, 'spec'), 'nodeName') === node;
      if (isHere && recordAt(item, 'status')['attached'] === true)
        names.push(textAt(recordAt(item, 'metadata'), 'name'));
    }
    continued = textAt(recordAt(page, 'metadata'), 'continue');
  } while (continued);
  return names.sort();
}
