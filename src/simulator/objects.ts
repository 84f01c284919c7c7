/** The port for objects of any kind, straight on the simulated API: what the real adapter does over HTTP. */
import { listAt, textAt, type JsonRecord } from '../cluster/json.ts';
import type { ApiObjects, ObjectKind, ObjectPlace } from '../ports/objects.ts';
import { ApiClient } from './cluster-client.ts';
import type { ClusterFaults } from './cluster-faults.ts';
import { pitcrewUser } from './kubernetes/access.ts';
import type { KubernetesApi } from './kubernetes/api.ts';

export class SimulatedObjects implements ApiObjects {
  readonly #client: ApiClient;
  readonly #faults: ClusterFaults | undefined;

  constructor(
    api: KubernetesApi,
    options: { readonly user?: string; readonly faults?: ClusterFaults | undefined } = {},
  ) {
    this.#client = new ApiClient(api, options.user ?? pitcrewUser);
    this.#faults = options.faults;
  }

  serves(kind: ObjectKind, signal: AbortSignal): Promise<boolean> {
    return this.#call('get discovery', signal, () =>
      listAt(this.#client.find(root(kind)), 'resources').some((found) => textAt(found, 'name') === kind.resource),
    );
  }

  servedVersions(group: string, signal: AbortSignal): Promise<string[]> {
    return this.#call('get discovery', signal, () => {
      const found = listAt(this.#client.read('/apis'), 'groups').find((one) => textAt(one, 'name') === group);
      return listAt(found, 'versions').map((version) => textAt(version, 'version'));
    });
  }

  get(kind: ObjectKind, place: ObjectPlace, signal: AbortSignal): Promise<JsonRecord | undefined> {
    return this.#call(`get ${kind.resource}`, signal, () => this.#client.find(objectPath(kind, place)));
  }

  list(
    kind: ObjectKind,
    { namespace = '', labelSelector }: { readonly namespace?: string; readonly labelSelector?: string },
    signal: AbortSignal,
  ): Promise<JsonRecord[]> {
    const query = labelSelector === undefined ? undefined : { labelSelector };
    return this.#call(
      `list ${kind.resource}`,
      signal,
      () => listAt(this.#client.read(listPath(kind, namespace), query), 'items') as JsonRecord[],
    );
  }

  create(kind: ObjectKind, namespace: string, body: JsonRecord, signal: AbortSignal): Promise<'created' | 'exists'> {
    const what = `create ${kind.resource}`;
    return this.#call(what, signal, () => {
      const answer = this.#client.ask('POST', listPath(kind, namespace), body);
      if (answer.status === 409) return 'exists';
      this.#client.must(answer, what);
      return 'created';
    });
  }

  preview(kind: ObjectKind, namespace: string, body: JsonRecord, signal: AbortSignal): Promise<JsonRecord> {
    const what = `preview ${kind.resource}`;
    return this.#call(what, signal, () => this.#client.preview(listPath(kind, namespace), body));
  }

  remove(
    kind: ObjectKind,
    place: ObjectPlace,
    uid: string,
    signal: AbortSignal,
    gracePeriodSeconds?: number,
  ): Promise<'asked' | 'gone'> {
    const what = `delete ${kind.resource}`;
    return this.#call(what, signal, () => {
      const options = { preconditions: { uid }, ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }) };
      const answer = this.#client.ask('DELETE', objectPath(kind, place), options);
      if (answer.status === 404 || answer.status === 409) return 'gone';
      this.#client.must(answer, what);
      return 'asked';
    });
  }

  async #call<T>(what: string, signal: AbortSignal, act: () => T): Promise<T> {
    signal.throwIfAborted();
    this.#faults?.beforeCall(what);
    const result = act();
    this.#faults?.afterCall(what);
    return Promise.resolve(result);
  }
}

function root({ group, version }: ObjectKind): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

function listPath(kind: ObjectKind, namespace: string): string {
  return `${root(kind)}${namespace === '' ? '' : `/namespaces/${namespace}`}/${kind.resource}`;
}

function objectPath(kind: ObjectKind, { namespace, name }: ObjectPlace): string {
  return `${listPath(kind, namespace)}/${name}`;
}
