/** The engine's public commands in one object, as the API wants them. It adds no decisions to what it calls. */
import { podsOnNode } from '../cluster/groups.ts';
import type { DocumentSource } from '../ports/documents.ts';
import type { StreamId } from '../ports/journal.ts';
import type { RunView } from '../workflow/run-view.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { ServerState } from '../workflow/server-state.ts';
import { viewRun } from '../workflow/view-run.ts';
import { Commands, knownServer } from './commands.ts';
import { examine } from './doctor.ts';
import type { Operations, ServerSummary } from './operations.ts';
import type { EngineWorld } from './world.ts';
import type { RunLog } from './run-log.ts';
import { MeasuredTimes } from './measured-times.ts';
import { standingOf } from './server-standing.ts';
import { takeSnapshot } from './snapshot.ts';
import { listWindows } from './windows.ts';

const askMs = 30_000;

export interface OperationsInput {
  readonly world: EngineWorld;
  readonly log: RunLog;
  readonly documents: DocumentSource;
  /** One line about Redis for `doctor`. */
  readonly describeStore: () => Promise<string>;
}

export function createOperations({ world, log, documents, describeStore }: OperationsInput): Operations {
  const commands = new Commands(world, log, documents);
  const times = new MeasuredTimes(world.journal, log);
  const view = async (run: RunState): Promise<RunView> => {
    const { definition } = run;
    const states = new Map<string, ServerState>();
    // Servers that never had a place have no journal yet.
    const begun = definition.servers.filter((server) => run.admitted.has(server.name) || run.ends[server.name]);
    await Promise.all(begun.map(async (server) => states.set(server.name, await log.server(definition, server.name))));
    return viewRun(run, states, world.clock.nowMs());
  };
  const mustHave = async ({ runId, server }: StreamId): Promise<RunState> => {
    const run = await commands.mustFind(runId);
    if (server !== undefined) knownServer(run, server);
    return run;
  };
  return {
    runs: async () => {
      const ids = await world.journal.runIds();
      return Promise.all(ids.map(async (runId) => view(await commands.mustFind(runId))));
    },
    run: async (runId) => view(await commands.mustFind(runId)),
    history: async (stream) => {
      const run = await mustHave(stream);
      const names = stream.server === undefined ? run.definition.servers.map((server) => server.name) : [stream.server];
      const streams: StreamId[] = names.map((server) => ({ runId: stream.runId, server }));
      if (stream.server === undefined) streams.push({ runId: stream.runId });
      const all = await world.journal.readMany(streams);
      return all
        .flatMap((entries, index) => entries.map((entry) => ({ ...entry, server: streams[index]?.server })))
        .sort((a, b) => a.atMs - b.atMs || a.version - b.version);
    },
    output: async (stream) => {
      await mustHave(stream);
      return world.journal.readOutput(stream);
    },
    preview: (plan) => commands.preview(plan),
    start: ({ plan, by }) => commands.start(plan, by),
    pause: (runId, by) => commands.pause(runId, by),
    resume: (runId, by) => commands.resume(runId, by),
    stop: (runId, by) => commands.stop(runId, by),
    approve: (runId, by) => commands.approve(runId, by),
    retry: (runId, server, by) => commands.retry(runId, server, by),
    skip: (runId, server, by) => commands.skip(runId, server, by),
    servers: () => listServers(world, documents, log),
    server: async (name) => standingOf(world, log, await commands.findServer(name)),
    power: (server, request, by) => commands.power(server, request, by),
    evacuate: async (server, by) => ({ runId: await commands.evacuate(server, by) }),
    returnServer: async (server, by) => ({ runId: await commands.returnServer(server, by) }),
    windows: async (plan) => listWindows(await documents.read(), plan, world.clock.nowMs()),
    doctor: () => examine(world, documents, describeStore),
    snapshot: async () => takeSnapshot(world, await documents.read(), times),
    watch: (signal, changed) => {
      const stop = world.journal.onAppend(({ runId }) => changed(runId));
      signal.addEventListener('abort', stop, { once: true });
    },
  };
}

async function listServers(world: EngineWorld, documents: DocumentSource, log: RunLog): Promise<ServerSummary[]> {
  const { servers } = await documents.read();
  const { nodes, pods } = await world.cluster.view(AbortSignal.timeout(askMs));
  const byNode = new Map(nodes.map((node) => [node.name, node]));
  const runOf = new Map<string, string>();
  for (const runId of await world.journal.runIds()) {
    const run = log.known(runId) ?? (await log.run(runId));
    if (run && !run.ended) for (const { name } of run.definition.servers) runOf.set(name, runId);
  }
  return servers.map((server) => {
    const node = byNode.get(server.node);
    const cordon = node?.cordon;
    const readiness = node?.ready ? 'ready' : 'not ready';
    const cordonText = cordon?.kind === 'ours' ? `cordoned by run ${cordon.runId}` : 'cordoned by somebody else';
    return {
      name: server.name,
      node: server.node,
      site: server.site,
      labels: server.labels,
      state: !node ? 'unknown' : cordon?.kind === 'none' ? readiness : `${readiness}, ${cordonText}`,
      kernel: node?.kernelVersion ?? '',
      pods: podsOnNode(pods, server.node).length,
      runId: runOf.get(server.name),
    };
  });
}
