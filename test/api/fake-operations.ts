/** A small `Operations` for the tests of API and command line: answers from fields, remembers what was asked. */
import type {
  Finding,
  Operations,
  PlanPreview,
  PlanWindows,
  PowerRequest,
  ServerStanding,
  ServerSummary,
} from '../../src/engine/operations.ts';
import type { Snapshot } from '../../src/engine/snapshot.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { OutputLine, StreamId } from '../../src/ports/journal.ts';
import type { RunView } from '../../src/workflow/run-view.ts';

type Entry = Awaited<ReturnType<Operations['history']>>[number];

export class FakeOperations implements Operations {
  runViews: RunView[] = [];
  serverList: ServerSummary[] = [];
  standings: ServerStanding[] = [];
  findings: Finding[] = [];
  planWindows: PlanWindows[] = [];
  previews: PlanPreview[] = [];
  snapshotTaken: Snapshot | undefined;
  entries: Entry[] = [];
  lines: OutputLine[] = [];
  /** Thrown by the next request, whatever it is. */
  failure: Error | undefined;
  readonly asked: string[] = [];
  readonly #listeners = new Set<(runId: string) => void>();

  get watchers(): number {
    return this.#listeners.size;
  }

  /** Replaces the view of a run and tells the watchers. */
  set(view: RunView): void {
    this.runViews = [...this.runViews.filter(({ runId }) => runId !== view.runId), view];
    for (const listener of this.#listeners) listener(view.runId);
  }

  async runs(): Promise<RunView[]> {
    return this.#answer('runs', this.runViews);
  }
  async run(runId: string): Promise<RunView> {
    this.#answer(`run ${runId}`, undefined);
    const view = this.runViews.find((candidate) => candidate.runId === runId);
    if (!view) throw new MaintenanceError('api/not-found', 'halt', `there is no run ${runId}`);
    return view;
  }
  async history({ runId, server }: StreamId): Promise<Entry[]> {
    return this.#answer(`history ${runId} ${server ?? '-'}`, this.entries);
  }
  async output({ runId, server }: StreamId): Promise<OutputLine[]> {
    return this.#answer(`output ${runId} ${server ?? '-'}`, this.lines);
  }
  async preview(plan: string): Promise<PlanPreview> {
    this.#answer(`preview ${plan}`, undefined);
    const preview = this.previews.find(({ definition }) => definition.plan === plan);
    if (!preview) throw new MaintenanceError('document/not-found', 'halt', `there is no plan "${plan}"`);
    return preview;
  }
  async start({ plan, by }: { plan: string; by: string }): Promise<{ runId: string }> {
    return this.#answer(`start ${plan} by ${by}`, { runId: '2611-a7' });
  }
  async pause(runId: string, by: string): Promise<void> {
    this.#answer(`pause ${runId} by ${by}`, undefined);
  }
  async resume(runId: string, by: string): Promise<void> {
    this.#answer(`resume ${runId} by ${by}`, undefined);
  }
  async stop(runId: string, by: string): Promise<void> {
    this.#answer(`stop ${runId} by ${by}`, undefined);
  }
  async approve(runId: string, by: string): Promise<void> {
    this.#answer(`approve ${runId} by ${by}`, undefined);
  }
  async retry(runId: string, server: string, by: string): Promise<void> {
    this.#answer(`retry ${runId} ${server} by ${by}`, undefined);
  }
  async skip(runId: string, server: string, by: string): Promise<void> {
    this.#answer(`skip ${runId} ${server} by ${by}`, undefined);
  }
  async servers(): Promise<ServerSummary[]> {
    return this.#answer('servers', this.serverList);
  }
  async server(name: string): Promise<ServerStanding> {
    this.#answer(`server ${name}`, undefined);
    const standing = this.standings.find((candidate) => candidate.name === name);
    if (!standing) throw new MaintenanceError('api/not-found', 'halt', `no server named ${name} in the inventory`);
    return standing;
  }
  async power(server: string, { verb, force = false }: PowerRequest, by: string): Promise<'on' | 'off'> {
    return this.#answer(`power ${server} ${verb}${force ? ' by force' : ''} by ${by}`, verb === 'off' ? 'off' : 'on');
  }
  async evacuate(server: string, by: string): Promise<{ runId: string }> {
    return this.#answer(`evacuate ${server} by ${by}`, { runId: 'e-1' });
  }
  async returnServer(server: string, by: string): Promise<{ runId: string }> {
    return this.#answer(`return ${server} by ${by}`, { runId: 'r-1' });
  }
  async windows(plan?: string): Promise<PlanWindows[]> {
    return this.#answer(`windows ${plan ?? '-'}`, this.planWindows);
  }
  async doctor(): Promise<Finding[]> {
    return this.#answer('doctor', this.findings);
  }
  async snapshot(): Promise<Snapshot> {
    const { snapshotTaken } = this;
    if (!snapshotTaken) throw new MaintenanceError('cluster/unreachable', 'retry', 'there is no cluster');
    return this.#answer('snapshot', snapshotTaken);
  }
  watch(signal: AbortSignal, changed: (runId: string) => void): void {
    this.#listeners.add(changed);
    signal.addEventListener('abort', () => this.#listeners.delete(changed), { once: true });
  }

  #answer<Value>(what: string, value: Value): Value {
    this.asked.push(what);
    const failure = this.failure;
    this.failure = undefined;
    if (failure) throw failure;
    return value;
  }
}
