/**
 * How a server stands before somebody lays hands on it: which unfinished runs there are, how far they are with it, and
 * what it carries. It decides whether the power may be taken from it by hand, and only looks otherwise.
 */
import { podsOnNode } from '../cluster/groups.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { RunBeside, ServerStanding } from './operations.ts';
import type { RunLog } from './run-log.ts';
import type { EngineWorld } from './world.ts';

/** The power of a server is a matter of seconds, also while Kubernetes does not answer. */
const podsMs = 3_000;

export async function standingOf(world: EngineWorld, log: RunLog, server: InventoryServer): Promise<ServerStanding> {
  const { name, node } = server;
  const [runs, pods] = await Promise.all([runsBeside(world, log, name), podsOn(world, node)]);
  return { name, node, runs, pods, keepsPower: whyKeepPower(name, runs) };
}

async function podsOn({ cluster }: EngineWorld, node: string): Promise<number | undefined> {
  try {
    return podsOnNode((await cluster.view(AbortSignal.timeout(podsMs))).pods, node).length;
  } catch (error) {
    if (error instanceof MaintenanceError) return undefined;
    throw error;
  }
}

export async function runsBeside({ journal }: EngineWorld, log: RunLog, server: string): Promise<RunBeside[]> {
  const runs: RunBeside[] = [];
  for (const runId of await journal.runIds()) {
    // Read anew also where it had ended: a retry by way of another daemon has made it go on.
    const run = await log.run(runId);
    if (!run || run.ended || run.definition.purpose === 'power') continue;
    runs.push({ runId, plan: run.definition.plan, stage: stageOf(run, server) });
  }
  return runs;
}

function stageOf({ definition, admitted, ends }: RunState, server: string): RunBeside['stage'] {
  if (!definition.servers.some(({ name }) => name === server)) return 'elsewhere';
  const outcome = ends[server]?.outcome;
  if (outcome === undefined) return admitted.has(server) ? 'begun' : 'pending';
  // A person has to look at it, and the console and the power are how one looks.
  return outcome === 'halted' ? 'halted' : 'over';
}

/** The run that has this server and still means to do something with it. */
export function ownerOf(runs: readonly RunBeside[]): RunBeside | undefined {
  return runs.find(({ stage }) => stage === 'begun' || stage === 'pending');
}

/** Why its power is not taken away by hand, as long as nobody insists. */
export function whyKeepPower(server: string, runs: readonly RunBeside[]): string | undefined {
  const owner = ownerOf(runs);
  if (!owner) return undefined;
  const { runId, plan, stage } = owner;
  const has = `${server} belongs to run ${runId} (${plan})`;
  return stage === 'pending'
    ? `${has}, which has not come to it yet: its pods are still there; \`pitcrew skip ${runId} ${server}\` takes it out of the run, \`--force\` does it all the same`
    : `${has}, which has begun with it: \`pitcrew status ${runId}\` says how far it is; \`--force\` does it once \`pitcrew pause ${runId}\` has stopped it at a safe point`;
}
