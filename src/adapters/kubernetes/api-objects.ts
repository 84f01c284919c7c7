/** The port for objects of any kind, on a real API server. It knows no kind by itself. */
import { listAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import type { ApiObjects, ObjectKind, ObjectPlace } from '../../ports/objects.ts';
import { isStatus } from './api-answers.ts';
import { writeQuery } from './paths.ts';
import type { ApiTransport } from './transport.ts';

const pageSize = 500;

export class KubernetesObjects implements ApiObjects {
  readonly #transport: ApiTransport;

  constructor(transport: ApiTransport) {
    this.#transport = transport;
  }

  async serves(kind: ObjectKind, signal: AbortSignal): Promise<boolean> {
    const request = { verb: 'get', resource: `the kinds of ${groupVersion(kind)}`, path: root(kind) } as const;
    const found = await this.#transport.find<unknown>(request, signal);
    return listAt(found, 'resources').some((resource) => textAt(resource, 'name') === kind.resource);
  }

  async servedVersions(group: string, signal: AbortSignal): Promise<string[]> {
    const request = { verb: 'get', resource: 'the groups of kinds', path: '/apis' } as const;
    const groups = listAt(await this.#transport.json<unknown>(request, signal), 'groups');
    const found = groups.find((one) => textAt(one, 'name') === group);
    return listAt(found, 'versions').map((version) => textAt(version, 'version'));
  }

  get(kind: ObjectKind, place: ObjectPlace, signal: AbortSignal): Promise<JsonRecord | undefined> {
    const request = { verb: 'get', resource: `${kind.resource}/${place.name}`, path: objectPath(kind, place) } as const;
    return this.#transport.find<JsonRecord>(request, signal);
  }

  async list(
    kind: ObjectKind,
    { namespace = '', labelSelector }: { readonly namespace?: string; readonly labelSelector?: string },
    signal: AbortSignal,
  ): Promise<JsonRecord[]> {
    const found: JsonRecord[] = [];
    let continued = '';
    do {
      const query = { limit: pageSize, labelSelector, continue: continued || undefined };
      const request = { verb: 'list', resource: kind.resource, path: listPath(kind, namespace), query } as const;
      const page = await this.#transport.json<JsonRecord>(request, signal);
      found.push(...(listAt(page, 'items') as JsonRecord[]));
      continued = textAt(recordAt(page, 'metadata'), 'continue');
    } while (continued !== '');
    return found;
  }

  async create(
    kind: ObjectKind,
    namespace: string,
    body: JsonRecord,
    signal: AbortSignal,
  ): Promise<'created' | 'exists'> {
    const path = listPath(kind, namespace);
    const request = { verb: 'create', resource: kind.resource, path, query: writeQuery, body } as const;
    try {
      await this.#transport.json(request, signal);
      return 'created';
    } catch (error) {
      if (isStatus(error, 409)) return 'exists';
      throw error;
    }
  }

  preview(kind: ObjectKind, namespace: string, body: JsonRecord, signal: AbortSignal): Promise<JsonRecord> {
    const query = { ...writeQuery, dryRun: 'All' };
    const request = { verb: 'create', resource: kind.resource, path: listPath(kind, namespace), query, body } as const;
    return this.#transport.json<JsonRecord>(request, signal);
  }

  async remove(
    kind: ObjectKind,
    place: ObjectPlace,
    uid: string,
    signal: AbortSignal,
    gracePeriodSeconds?: number,
  ): Promise<'asked' | 'gone'> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid }, gracePeriodSeconds };
    const resource = `${kind.resource}/${place.name}`;
    const request = { verb: 'delete', resource, path: objectPath(kind, place), body } as const;
    try {
      await this.#transport.json(request, signal);
      return 'asked';
    } catch (error) {
      // 409: one of the same name, and not the one that was meant.
      if (isStatus(error, 404) || isStatus(error, 409)) return 'gone';
      throw error;
    }
  }
}

function groupVersion({ group, version }: ObjectKind): string {
  return group === '' ? version : `${group}/${version}`;
}

function root(kind: ObjectKind): string {
  const parts = groupVersion(kind).split('/').map(encodeURIComponent);
  return `/${kind.group === '' ? 'api' : 'apis'}/${parts.join('/')}`;
}

function listPath(kind: ObjectKind, namespace: string): string {
  const inside = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root(kind)}${inside}/${encodeURIComponent(kind.resource)}`;
}

function objectPath(kind: ObjectKind, { namespace, name }: ObjectPlace): string {
  return `${listPath(kind, namespace)}/${encodeURIComponent(name)}`;
}
