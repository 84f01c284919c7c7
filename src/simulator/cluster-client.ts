/** Requests to the simulated API in memory, in the name of one user. It knows no meaning of what it carries. */
import { fieldManager } from '../cluster/cordon.ts';
import type { JsonRecord } from '../cluster/json.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { errorOf } from './cluster-answers.ts';
import type { ApiAnswer, KubernetesApi } from './kubernetes/api.ts';

export class ApiClient {
  readonly #api: KubernetesApi;
  readonly #user: string;

  constructor(api: KubernetesApi, user: string) {
    this.#api = api;
    this.#user = user;
  }

  ask(method: string, path: string, body?: unknown, contentType?: string): ApiAnswer {
    const answer = this.#api.handle({
      method,
      path,
      user: this.#user,
      ...(body !== undefined && { body }),
      ...(contentType !== undefined && { contentType }),
    });
    if (answer.kind === 'watch') throw new MaintenanceError('cluster/refused', 'halt', 'a watch was not asked for');
    return answer;
  }

  must(answer: ApiAnswer, what: string): JsonRecord {
    if (answer.status >= 300) throw errorOf(what, answer);
    return answer.body as JsonRecord;
  }

  read(path: string, query?: Readonly<Record<string, string>>): JsonRecord {
    const answer = this.#api.handle({ method: 'GET', path, user: this.#user, query: new URLSearchParams(query) });
    if (answer.kind === 'watch') throw new MaintenanceError('cluster/refused', 'halt', 'a watch was not asked for');
    return this.must(answer, `get ${path}`);
  }

  /** `undefined` for 404. */
  find(path: string): JsonRecord | undefined {
    const answer = this.ask('GET', path);
    return answer.status === 404 ? undefined : this.must(answer, `get ${path}`);
  }

  /** What would be stored, without storing it. */
  preview(path: string, body: unknown): JsonRecord {
    const query = new URLSearchParams({ dryRun: 'All' });
    const answer = this.#api.handle({ method: 'POST', path, body, query, user: this.#user });
    if (answer.kind === 'watch') throw new MaintenanceError('cluster/refused', 'halt', 'a watch was not asked for');
    return this.must(answer, `create ${path}`);
  }

  patch(path: string, type: 'merge' | 'strategic', body: unknown): void {
    const contentType = `application/${type === 'merge' ? 'merge-patch' : 'strategic-merge-patch'}+json`;
    const query = new URLSearchParams({ fieldManager });
    const answer = this.#api.handle({ method: 'PATCH', path, user: this.#user, query, body, contentType });
    if (answer.kind === 'watch') throw new MaintenanceError('cluster/refused', 'halt', 'a watch was not asked for');
    this.must(answer, `patch ${path}`);
  }
}
