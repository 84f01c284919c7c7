/**
 * The view of a cluster: one watched list for each kind of object, one question whether they are fresh enough to decide from.
 *
 * It refuses an old view rather than handing it out: a decision from an hour-old list of pods is worse than none.
 */
import type { BudgetView } from '../../cluster/budget.ts';
import type { NodeView } from '../../cluster/node.ts';
import type { PodView } from '../../cluster/pod.ts';
import { parseBudget, parseNode, parsePod } from '../../cluster/parse.ts';
import { parseClaim, parseVolume, type ClaimView, type VolumeView } from '../../cluster/storage.ts';
import { parseNamespace, type ClusterView, type NamespaceView } from '../../cluster/view.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { paths } from './paths.ts';
import { WatchedList, type WatchTools } from './watched-list.ts';

export interface FreshnessTimes {
  /** Without contact for longer than this, there is no view. */
  readonly staleMs: number;
  /** How long `view` waits for the first lists. */
  readonly syncMs: number;
  /** Changes within this time are told together. */
  readonly coalesceMs: number;
}

const syncPollMs = 20;

export class WatchedCluster {
  readonly #tools: Omit<WatchTools, 'onChange'>;
  readonly #times: FreshnessTimes;
  readonly #nodes: WatchedList<NodeView>;
  readonly #pods: WatchedList<PodView>;
  readonly #budgets: WatchedList<BudgetView>;
  readonly #claims: WatchedList<ClaimView>;
  readonly #volumes: WatchedList<VolumeView>;
  readonly #namespaces: WatchedList<NamespaceView>;
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #pending: NodeJS.Timeout | undefined;
  #running: Promise<unknown> | undefined;
  #view: ClusterView | undefined;

  constructor(tools: Omit<WatchTools, 'onChange'>, times: FreshnessTimes) {
    const all: WatchTools = { ...tools, onChange: () => this.#noteChange() };
    this.#tools = tools;
    this.#times = times;
    this.#nodes = new WatchedList('nodes', paths.nodes, parseNode, all);
    this.#pods = new WatchedList('pods', paths.pods, parsePod, all);
    this.#budgets = new WatchedList('poddisruptionbudgets', paths.budgets, parseBudget, all);
    this.#claims = new WatchedList('persistentvolumeclaims', paths.claims, parseClaim, all);
    this.#volumes = new WatchedList('persistentvolumes', paths.volumes, parseVolume, all);
    this.#namespaces = new WatchedList('namespaces', paths.namespaces, parseNamespace, all);
  }

  start(): void {
    this.#running ??= Promise.all(this.#lists().map((list) => list.run(this.#stopping.signal)));
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new MaintenanceError('cluster/unreachable', 'retry', 'the Kubernetes connection was closed'));
    clearTimeout(this.#pending);
    this.#listeners.clear();
    await this.#running;
  }

  async view(signal: AbortSignal): Promise<ClusterView> {
    signal.throwIfAborted();
    this.#stopping.signal.throwIfAborted();
    await this.#untilSynced(signal);
    this.#refuseStale();
    this.#view ??= {
      nodes: this.#nodes.views,
      pods: this.#pods.views,
      budgets: this.#budgets.views,
      claims: this.#claims.views,
      volumes: this.#volumes.views,
      namespaces: this.#namespaces.views,
    };
    return this.#view;
  }

  /** From the lists, however old: for labels on messages only. */
  knownNode(name: string): NodeView | undefined {
    return this.#nodes.find(`/${name}`);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #lists(): readonly WatchedList<unknown>[] {
    return [this.#nodes, this.#pods, this.#budgets, this.#claims, this.#volumes, this.#namespaces];
  }

  async #untilSynced(caller: AbortSignal): Promise<void> {
    const isSynced = (): boolean => this.#lists().every((list) => list.isSynced);
    if (isSynced()) return;
    const signal = AbortSignal.any([caller, this.#stopping.signal]);
    const { clock } = this.#tools;
    const untilMs = clock.nowMs() + this.#times.syncMs;
    while (!isSynced()) {
      const error = this.#lists()
        .map((list) => list.lastError)
        .find((error) => error?.disposition === 'halt');
      // A missing right does not appear by waiting.
      if (error) throw error;
      if (clock.nowMs() >= untilMs) throw this.#silence(`no first view within ${this.#times.syncMs} ms`);
      await clock.sleep(syncPollMs, signal);
    }
  }

  #refuseStale(): void {
    const contactAtMs = Math.min(...this.#lists().map((list) => list.contactAtMs));
    const ageMs = this.#tools.clock.nowMs() - contactAtMs;
    if (ageMs > this.#times.staleMs) throw this.#silence(`no contact for ${Math.round(ageMs / 1000)} s`);
  }

  #silence(what: string): MaintenanceError {
    const last = this.#lists()
      .map((list) => list.lastError)
      .find((error) => error !== undefined);
    if (last?.disposition === 'halt') return last;
    return new MaintenanceError(
      'cluster/unreachable',
      'retry',
      last ? `Kubernetes: ${what}; last: ${last.message}` : `Kubernetes: ${what}`,
    );
  }

  #noteChange(): void {
    this.#view = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#pending ??= setTimeout(() => {
      this.#pending = undefined;
      for (const listener of this.#listeners) this.#tell(listener);
    }, this.#times.coalesceMs);
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#tools.logger.error({ error }, 'a listener to cluster changes failed');
    }
  }
}
