/**
 * The API server without its socket: one request in, one answer or watch out. It finds the kind, checks the right,
 * and hands the work to the registry; every answer is worded as a real server words it.
 */
import { recordAt, textAt } from '../../cluster/json.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import { Access } from './access.ts';
import { applyAdmissionPolicies } from './admission/mutating-admission.ts';
import { discover } from './discovery.ts';
import { Evictions } from './eviction.ts';
import { KindTable, kinds, type Kind } from './kinds.ts';
import { bind, create, list, patch, read, removeAll, removeOne, replace, type Target } from './verbs.ts';
import * as refusal from './refusal.ts';
import type { ApiObject } from './objects.ts';
import { PodIndex } from './pod-index.ts';
import { isDraft, Registry } from './registry.ts';
import { Store, type StoreOptions } from './store.ts';
import { fieldMatcher, checkFieldSelector, everything, labelMatcher, type Matcher } from './selectors.ts';
import { isTrue, startWatch, type WatchAnswer } from './watch.ts';

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: URLSearchParams;
  readonly contentType?: string;
  readonly body?: unknown;
  /** Who the token belongs to; none: no valid token was shown. */
  readonly user: string | undefined;
}

export interface ApiAnswer {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export interface ApiOptions extends StoreOptions {
  /** Whether a watch may begin with the list (`sendInitialEvents`); some storages do not serve it. */
  readonly watchList: boolean;
}

const noQuery = new URLSearchParams();

export class KubernetesApi {
  readonly store: Store;
  readonly registry: Registry;
  readonly evictions: Evictions;
  readonly access = new Access();
  readonly kinds = new KindTable();
  readonly pods: PodIndex;
  readonly #servesWatchList: boolean;

  constructor(clock: Clock, random: Random, options: Partial<ApiOptions> = {}) {
    this.store = new Store(options);
    // First of all listeners, so that everybody who hears of a change sees an index that knows of it.
    this.pods = new PodIndex(this.store);
    this.registry = new Registry(this.store, clock, random);
    this.evictions = new Evictions(this.registry);
    applyAdmissionPolicies(this.registry);
    this.#servesWatchList = options.watchList ?? true;
  }

  handle(request: ApiRequest): ApiAnswer | WatchAnswer {
    try {
      if (request.user === undefined) throw refusal.unauthorized();
      return this.#route(request, request.user);
    } catch (error) {
      if (!(error instanceof refusal.Refusal)) throw error;
      const { body } = error;
      const retryAfter = body.details?.retryAfterSeconds;
      return answer(body.code, body, retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) });
    }
  }

  #route(request: ApiRequest, user: string): ApiAnswer | WatchAnswer {
    if (request.method === 'GET') {
      const document = discover(this.kinds, request.path);
      if (document !== undefined) return answer(200, document);
    }
    const target = this.#targetOf(request);
    const query = request.query ?? noQuery;
    const isWatch = request.method === 'GET' && target.name === '' && isTrue(query.get('watch'));
    const verb = isWatch ? 'watch' : verbOf(request.method, target.name);
    this.access.check({ user, verb, ...placeOf(target) });
    if (target.kind === kinds.accessReviews) {
      if (verb !== 'create') throw refusal.methodNotAllowed();
      return answer(201, this.access.review(user, request.body));
    }
    if (target.subresource === 'eviction' || target.subresource === 'binding') return this.#podCommand(target, request);
    if (isWatch) {
      const scope = { kind: target.kind, namespace: target.namespace, matches: matcherOf(target.kind, query) };
      return startWatch(this.store, scope, query, this.#servesWatchList);
    }
    return this.#plainVerb(verb, target, request);
  }

  #podCommand(target: Target, request: ApiRequest): ApiAnswer {
    if (request.method !== 'POST' || target.kind !== kinds.pods) throw refusal.methodNotAllowed();
    if (!isDraft(request.body)) throw refusal.badRequest('the body is no object');
    const isDryRun = isDryRunAsked(request.query);
    const body =
      target.subresource === 'eviction'
        ? this.evictions.evict(target.namespace, target.name, request.body, isDryRun)
        : bind(this.registry, target, textAt(recordAt(request.body, 'target'), 'name'));
    return answer(201, body);
  }

  #plainVerb(verb: string, target: Target, request: ApiRequest): ApiAnswer {
    const { registry } = this;
    const query = request.query ?? noQuery;
    const isDryRun = isDryRunAsked(query);
    switch (verb) {
      case 'get':
        return answer(200, read(registry, target));
      case 'list':
        return answer(
          200,
          list(registry, this.#candidates(target, query), target, query, matcherOf(target.kind, query)),
        );
      case 'create':
        return answer(201, create(registry, target, request.body, query, isDryRun));
      case 'update':
        return answer(200, replace(registry, target, request.body, query, isDryRun));
      case 'patch': {
        const contentType = (request.contentType ?? '').split(';')[0]?.trim() ?? '';
        return answer(200, patch(registry, target, { contentType, body: request.body, query, isDryRun }));
      }
      case 'delete':
        return answer(200, removeOne(registry, target, request.body, query, isDryRun));
      case 'deletecollection':
        return answer(200, removeAll(registry, target, request.body, matcherOf(target.kind, query), isDryRun));
      default:
        throw refusal.methodNotAllowed();
    }
  }

  /** Among which objects the listed ones are, in the order of a list: the pods of one node are asked for again and again. */
  #candidates({ kind, namespace }: Target, query: URLSearchParams): readonly ApiObject[] {
    const node =
      kind === kinds.pods ? /^spec\.nodeName=([^,]+)$/.exec(query.get('fieldSelector') ?? '')?.[1] : undefined;
    if (node !== undefined && namespace === '') return [...this.pods.onNode(node).values()].sort(byKey);
    return namespace === '' ? this.store.list(kind) : this.store.inNamespace(kind, namespace).sort(byKey);
  }

  /** `/api/v1/…` or `/apis/<group>/<version>/…`, then an optional namespace, resource, name and subresource. */
  #targetOf(request: ApiRequest): Target {
    const { path } = request;
    const given = path.split('/').filter((part) => part !== '');
    const parts = path.includes('%') ? given.map((part) => decodeURIComponent(part)) : given;
    const [root, ...rest] = parts;
    const [apiVersion, place] =
      root === 'api' ? [rest[0] ?? '', rest.slice(1)] : [`${rest[0] ?? ''}/${rest[1] ?? ''}`, rest.slice(2)];
    if (root !== 'api' && root !== 'apis') throw refusal.noSuchPath();
    // `namespaces` is a resource of its own as well as the way to all others.
    const isInNamespace = place[0] === 'namespaces' && place.length > 2 && place[2] !== 'status';
    const namespace = isInNamespace ? (place[1] ?? '') : '';
    const [resource = '', name = '', subresource = '', ...more] = isInNamespace ? place.slice(2) : place;
    const kind = this.kinds.find(apiVersion, resource);
    if (!kind || more.length > 0) throw refusal.noSuchPath();
    if (kind.namespaced !== isInNamespace && (isInNamespace || name !== '')) throw refusal.noSuchPath();
    if (subresource !== '' && !kind.subresources.includes(subresource)) throw refusal.noSuchPath();
    return { kind, namespace, name, subresource };
  }
}

function byKey({ metadata: a }: ApiObject, { metadata: b }: ApiObject): number {
  return `${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1;
}

function answer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): ApiAnswer {
  return { kind: 'answer', status, headers, body };
}

function placeOf(target: Target): Omit<refusal.AccessAttempt, 'user' | 'verb'> {
  const { kind, namespace, name, subresource } = target;
  return { group: kind.group, resource: kind.resource, subresource, namespace, name };
}

function verbOf(method: string, name: string): string {
  if (name === '' && (method === 'PUT' || method === 'PATCH')) throw refusal.methodNotAllowed();
  switch (method) {
    case 'GET':
      return name === '' ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      throw refusal.methodNotAllowed();
  }
}

function isDryRunAsked(query: URLSearchParams | undefined): boolean {
  const asked = query?.get('dryRun') ?? null;
  if (asked !== null && asked !== 'All') throw refusal.badRequest(`invalid dry run option: ${asked}`);
  return asked === 'All';
}

function matcherOf(kind: Kind, query: URLSearchParams): Matcher {
  const fields = query.get('fieldSelector') ?? '';
  const byLabels = labelMatcher(query.get('labelSelector') ?? '');
  if (fields === '') return byLabels;
  checkFieldSelector(kind, fields);
  const byFields = fieldMatcher(kind, fields);
  return byLabels === everything ? byFields : (object) => byFields(object) && byLabels(object);
}
