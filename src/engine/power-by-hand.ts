/**
 * One power request that a person makes by hand, past every plan: refused while a run has its hands on the server, and off
 * also where a run still means to do something with it, unless the person insists. It is written into a journal of its own,
 * request first and result after it.
 *
 * It never tries a second time. Where the daemon ended in between, nobody saw how it went, and the journal says so.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { assembleSingle } from '../planner/assemble.ts';
import type { PowerState } from '../ports/bmc.ts';
import type { Lease } from '../ports/leases.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { RunEvent } from '../workflow/events.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { RunLog } from './run-log.ts';
import { ownerOf, runsBeside, whyKeepPower } from './server-standing.ts';
import type { EngineWorld } from './world.ts';

const powerMs = 60_000;

export interface PowerRequestByHand {
  readonly server: InventoryServer;
  readonly verb: 'on' | 'off' | 'cycle';
  /** Also where an unfinished run has the server. A lease is respected all the same. */
  readonly force: boolean;
  readonly by: string;
  readonly runId: string;
}

/** @throws `lease/held`, `run/refused`, `bmc/…`, `journal/…` (then nothing was asked of the BMC) */
export async function powerByHand(world: EngineWorld, log: RunLog, request: PowerRequestByHand): Promise<PowerState> {
  const { server, verb, force, by, runId } = request;
  const lease = await world.leases.acquire(`server/${server.name}`);
  if ('heldBy' in lease) {
    throw new MaintenanceError('lease/held', 'halt', `${server.name} is being worked on by ${lease.heldBy}`);
  }
  try {
    // Under the lease: no run can begin with it between this look and the BMC.
    const runs = verb === 'on' ? [] : await runsBeside(world, log, server.name);
    const why = whyKeepPower(server.name, runs);
    if (why !== undefined && !force) throw new MaintenanceError('run/refused', 'halt', why);
    const definition = assembleSingle({ purpose: 'power', server, runId, startedBy: by });
    const asked: RunEvent = { kind: 'powerByHand', server: server.name, verb, by, despite: ownerOf(runs)?.runId };
    await log.appendRun(runId, 0, [{ kind: 'runCreated', definition }, asked], lease);
    world.logger.info({ run: runId, server: server.name, verb, by }, 'power asked for by hand');
    return await carryOut(world, log, request, lease);
  } finally {
    await lease.release();
  }
}

async function carryOut(
  world: EngineWorld,
  log: RunLog,
  { server, verb, runId }: PowerRequestByHand,
  lease: Lease,
): Promise<PowerState> {
  const signal = AbortSignal.any([lease.lost, AbortSignal.timeout(powerMs)]);
  let end: Ending = { outcome: 'halted', reason: 'it was interrupted; nobody saw how it ended' };
  try {
    if (verb !== 'on') await setPower(world, server, 'off', signal);
    if (verb !== 'off') await setPower(world, server, 'on', signal);
    const power = await world.connections.bmcOf(server).readPower(signal);
    end = { outcome: 'done', reason: `the BMC says power ${power}` };
    return power;
  } catch (error) {
    if (error instanceof MaintenanceError) end = { outcome: 'halted', reason: error.message };
    throw error;
  } finally {
    await writeEnd(world, log, { runId, server: server.name, end }, lease);
  }
}

/** What the BMC did counts, also where it cannot be written down now: the coordinator ends the record later. */
async function writeEnd(
  { logger }: EngineWorld,
  log: RunLog,
  { runId, server, end }: { readonly runId: string; readonly server: string; readonly end: Ending },
  lease: Lease,
): Promise<void> {
  try {
    await log.appendRun(runId, 2, endEvents(server, end), lease);
  } catch (error) {
    if (!(error instanceof MaintenanceError)) throw error;
    logger.warn({ run: runId, server, code: error.code, ...end }, 'the end of a power request could not be recorded');
  }
}

/**
 * Ends the journal of a request whose daemon is gone. Whether it is shows in the server's lease.
 *
 * @returns whether the request is over now
 */
export async function closePowerByHand(world: EngineWorld, log: RunLog, run: RunState): Promise<boolean> {
  const { runId, servers } = run.definition;
  const name = servers[0]?.name ?? '';
  const lease = await world.leases.acquire(`server/${name}`);
  if ('heldBy' in lease) return false;
  try {
    const now = await log.run(runId);
    if (!now || now.ended) return true;
    const reason = `the daemon ended in between; \`pitcrew power ${name} status\` says what is true now`;
    await log.appendRun(runId, now.version, endEvents(name, { outcome: 'halted', reason }), lease);
    return true;
  } finally {
    await lease.release();
  }
}

interface Ending {
  readonly outcome: 'done' | 'halted';
  readonly reason: string;
}

function endEvents(server: string, { outcome, reason }: Ending): RunEvent[] {
  return [
    { kind: 'serverAdmitted', server },
    { kind: 'serverEnded', server, outcome, reason },
    { kind: 'runEnded', outcome, reason },
  ];
}

/** Reads back: a BMC's "done" is no proof. */
async function setPower(
  { connections, clock }: EngineWorld,
  server: InventoryServer,
  state: PowerState,
  signal: AbortSignal,
): Promise<void> {
  const bmc = connections.bmcOf(server);
  await bmc.requestPower(state, signal);
  for (let tries = 0; tries < 30; tries += 1) {
    if ((await bmc.readPower(signal)) === state) return;
    await clock.sleep(1_000, signal);
  }
  throw new MaintenanceError(
    'bmc/lies',
    'halt',
    `the BMC of ${server.name} took "${state}", and the power does not follow`,
  );
}
