/** What each verb of the API does to the registry, and the shape of its answer. It never checks rights. */
import { isRecord, textAt } from '../../cluster/json.ts';
import { pageOf } from './paging.ts';
import { readDeleteOptions } from './eviction.ts';
import { apiVersionOf, kinds, type Draft, type Kind } from './kinds.ts';
import { withCondition, type ApiObject, type PodObject } from './objects.ts';
import { withCordonManager } from './managed-fields.ts';
import { jsonPatch, mergePatch } from './patch.ts';
import * as refusal from './refusal.ts';
import { isDraft, type Registry } from './registry.ts';
import type { Matcher } from './selectors.ts';
import { strategicMerge } from './strategic-merge.ts';
import { goFormat, unknownField } from './strict-fields.ts';

export interface Target {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

export function read(registry: Registry, { kind, namespace, name }: Target): ApiObject {
  const found = registry.store.get(kind, namespace, name);
  if (!found) throw refusal.notFound(kind, name);
  return found;
}

/** Items of a list carry neither kind nor version. `candidates`: in the order in which they are listed. */
export function list(
  { store }: Registry,
  candidates: readonly ApiObject[],
  { kind }: Target,
  query: URLSearchParams,
  matches: Matcher,
): unknown {
  const all = candidates.filter(matches);
  const isSelected = (query.get('labelSelector') ?? '') !== '' || (query.get('fieldSelector') ?? '') !== '';
  const { items, continueToken, remaining } = pageOf(all, query, store.revision);
  return {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata: {
      resourceVersion: String(store.revision),
      ...(continueToken !== undefined && { continue: continueToken }),
      // With a selector the server does not know how many are left.
      ...(continueToken !== undefined && !isSelected && { remainingItemCount: remaining }),
    },
    items: items.map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item),
  };
}

export function create(
  registry: Registry,
  { kind, namespace }: Target,
  body: unknown,
  query: URLSearchParams,
  isDryRun: boolean,
): ApiObject {
  if (!isDraft(body)) throw refusal.badRequest('the body is no object');
  checkIdentity(kind, body, namespace);
  const field = query.get('fieldValidation') === 'Strict' ? unknownField(kind, body) : undefined;
  if (field !== undefined) {
    const version = apiVersionOf(kind);
    throw refusal.badRequest(
      `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: strict decoding error: unknown field "${field}"`,
    );
  }
  return registry.create(kind, namespace, withWholeSeconds(body), isDryRun);
}

function checkIdentity(kind: Kind, body: Draft, namespace: string): void {
  const { kind: named = kind.kind, apiVersion = apiVersionOf(kind) } = body;
  if (named !== kind.kind || apiVersion !== apiVersionOf(kind)) {
    throw refusal.badRequest(
      `${named} in version "${apiVersion}" cannot be handled as a ${kind.kind}: no kind "${named}" is registered for version "${apiVersion}"`,
    );
  }
  const given = textAt(body.metadata, 'namespace');
  if (kind.namespaced && given !== '' && given !== namespace) {
    throw refusal.badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

export function replace(
  registry: Registry,
  target: Target,
  body: unknown,
  query: URLSearchParams,
  isDryRun: boolean,
): ApiObject {
  const { kind, namespace, name } = target;
  if (!isDraft(body)) throw refusal.badRequest('the body is no object');
  checkIdentity(kind, body, namespace);
  if (textAt(body.metadata, 'name') !== name) {
    throw refusal.badRequest(
      `the name of the object (${textAt(body.metadata, 'name')}) does not match the name on the URL (${name})`,
    );
  }
  return write(registry, target, read(registry, target), managed(registry, target, body, query), isDryRun);
}

export interface PatchRequest {
  readonly contentType: string;
  readonly body: unknown;
  readonly query: URLSearchParams;
  readonly isDryRun: boolean;
}

export function patch(registry: Registry, target: Target, request: PatchRequest): ApiObject {
  const current = read(registry, target);
  const patched = applyPatch(target.kind, current, request);
  if (!isDraft(patched)) throw refusal.unprocessable();
  if (request.query.get('fieldValidation') === 'Strict') {
    const field = unknownField(target.kind, patched);
    const isStrategic = request.contentType === 'application/strategic-merge-patch+json';
    const shown = isStrategic ? goFormat(request.body) : JSON.stringify(patched);
    if (field !== undefined) throw refusal.unknownPatchField(shown, field);
  }
  return write(registry, target, current, managed(registry, target, patched, request.query), request.isDryRun);
}

function applyPatch(kind: Kind, current: ApiObject, { contentType, body }: PatchRequest): unknown {
  switch (contentType) {
    case 'application/json-patch+json':
      return jsonPatch(current, body);
    case 'application/merge-patch+json':
      return mergePatch(current, body);
    case 'application/strategic-merge-patch+json':
      if (kind.isCustom) throw refusal.unsupportedMediaType(contentType);
      return strategicMerge(current, body);
    default:
      throw refusal.unsupportedMediaType(contentType);
  }
}

/** As it is stored: times to the second, and with a note of who cordoned it. */
function managed(registry: Registry, target: Target, body: Draft, query: URLSearchParams): Draft {
  const draft = withWholeSeconds(body);
  if (target.kind !== kinds.nodes || target.subresource !== '') return draft;
  return withCordonManager(read(registry, target), draft, query.get('fieldManager') ?? 'kubectl', registry.now());
}

function write(registry: Registry, target: Target, current: ApiObject, body: Draft, isDryRun: boolean): ApiObject {
  const { kind, name } = target;
  const version = textAt(body.metadata, 'resourceVersion');
  if (version !== '' && version !== current.metadata.resourceVersion) throw refusal.modified(kind, name);
  const uid = textAt(body.metadata, 'uid');
  if (uid !== '' && uid !== current.metadata.uid) {
    throw refusal.failedPrecondition(kind, name, uid, current.metadata.uid);
  }
  const part = target.subresource === 'status' ? 'status' : 'main';
  return registry.update(kind, current, body as unknown as ApiObject, part, isDryRun);
}

export function removeOne(
  registry: Registry,
  target: Target,
  body: unknown,
  query: URLSearchParams,
  isDryRun: boolean,
): unknown {
  const { kind } = target;
  const current = read(registry, target);
  const asked = query.get('gracePeriodSeconds');
  const options = readDeleteOptions(body, isDryRun);
  const grace = asked === null ? options.gracePeriodSeconds : Number(asked);
  const left = registry.delete(kind, current, { ...options, gracePeriodSeconds: grace });
  // Only a few kinds answer with the object; the others say which one is gone.
  if (kind === kinds.pods || kind === kinds.namespaces || registry.store.get(kind, target.namespace, target.name)) {
    return left;
  }
  const { kind: resource, group } = { kind: kind.resource, group: kind.group };
  const details = { name: target.name, ...(group !== '' && { group }), kind: resource, uid: left.metadata.uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

export function removeAll(
  registry: Registry,
  target: Target,
  body: unknown,
  matches: Matcher,
  isDryRun: boolean,
): unknown {
  const { kind, namespace } = target;
  const options = readDeleteOptions(body, isDryRun);
  const removed = registry.store
    .list(kind)
    .filter((object) => (namespace === '' || object.metadata.namespace === namespace) && matches(object))
    .map((object) => registry.delete(kind, object, options));
  const resourceVersion = String(registry.store.revision);
  return { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata: { resourceVersion }, items: removed };
}

/** What a scheduler does: gives a pod to a node, together with the node's topology labels. */
export function bind(registry: Registry, target: Target, nodeName: string): refusal.StatusBody {
  const pod = registry.store.get(kinds.pods, target.namespace, target.name);
  if (!pod) throw refusal.notFound(kinds.pods, target.name);
  if (pod.spec.nodeName !== undefined || pod.metadata.deletionTimestamp !== undefined) {
    throw refusal.modified(kinds.pods, target.name);
  }
  registry.store.replace(kinds.pods, pod, boundPod(registry, pod, nodeName));
  return refusal.success(201);
}

const topologyLabels = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone'];

export function boundPod(registry: Registry, pod: PodObject, nodeName: string): PodObject {
  const node = registry.store.get(kinds.nodes, undefined, nodeName);
  const copied = topologyLabels.flatMap((label) => {
    const value = node?.metadata.labels?.[label];
    return value === undefined ? [] : [[label, value] as const];
  });
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: registry.now() };
  return {
    ...pod,
    metadata:
      copied.length === 0
        ? pod.metadata
        : { ...pod.metadata, labels: { ...pod.metadata.labels, ...Object.fromEntries(copied) } },
    spec: { ...pod.spec, nodeName },
    status: { ...pod.status, conditions: withCondition(pod.status.conditions, scheduled) },
  };
}

const precise = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/;
const timeFields: ReadonlySet<string> = new Set(['lastTransitionTime', 'lastHeartbeatTime', 'lastProbeTime']);

/** Conditions are kept to the second, and a pod's show their times even where nobody gave any. */
function withWholeSeconds(body: Draft): Draft {
  if (!isRecord(body.status) || !Array.isArray(body.status['conditions'])) return body;
  const absent = body.kind === 'Pod' ? { lastProbeTime: null, lastTransitionTime: null } : {};
  const conditions = (body.status['conditions'] as unknown[]).map((condition) => {
    if (!isRecord(condition)) return condition;
    const entries = Object.entries(condition).map(([key, value]) => {
      const match = timeFields.has(key) && typeof value === 'string' ? precise.exec(value) : null;
      return [key, match ? `${match[1]}Z` : value] as const;
    });
    return { ...absent, ...Object.fromEntries(entries) };
  });
  return { ...body, status: { ...body.status, conditions } };
}
