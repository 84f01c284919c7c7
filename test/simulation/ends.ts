/** What has to be true once everything is over: every run has an end, nothing is left behind, nothing was done twice. */
import { ownerAnnotation } from '../../src/cluster/node.ts';
import { isPendingTaint } from '../../src/cluster/pending.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { NodeObject } from '../../src/simulator/kubernetes/objects.ts';
import { diskOf } from '../../src/simulator/shell.ts';
import type { Checker } from './checker.ts';
import type { RunRecord } from './records.ts';

export async function checkEnd(checker: Checker): Promise<void> {
  const { simulation, records, look } = checker;
  if (records.all().length === 0) throw new Error('there was no run');
  for (const run of records.all()) checkRun(checker, run);
  for (const node of simulation.world.api.store.list(kinds.nodes)) checkNode(checker, node);
  for (const server of simulation.world.machines.keys()) checkMachine(checker, server);
  for (const [uid, count] of simulation.world.evictionsByUid) {
    look('6 moved once', count <= 1, () => `pod ${uid} was evicted ${count} times`);
  }
}

function checkRun(checker: Checker, run: RunRecord): void {
  const { look } = checker;
  const { definition, ended } = run;
  checkRebalance(checker, run);
  look('9 ends and owners', ended !== undefined, () => `run ${definition.runId} has not ended`);
  const isExplained = ended?.outcome === 'done' || ended?.reason !== '';
  look('9 ends and owners', isExplained, () => `run ${definition.runId} ended without a reason`);
}

/** It is over with its run, and has moved no more than the plan allows, and no pod twice. */
function checkRebalance({ look }: Checker, { definition, rebalance }: RunRecord): void {
  if (!rebalance) return;
  const { uids, hasEnded } = rebalance;
  look('9 ends and owners', hasEnded, () => `the rebalancing of ${definition.runId} has not ended`);
  const isOnce = new Set(uids).size === uids.length && uids.length <= (definition.rebalance?.maxMoves ?? 0);
  look('6 moved once', isOnce, () => `the rebalancing of ${definition.runId} moved ${uids.join(', ')}`);
}

/** Who is written on a cordoned node is a run that left it so; a mark is gone with its run. */
function checkNode({ look, records, foreignCordons }: Checker, { metadata, spec, status }: NodeObject): void {
  const { name } = metadata;
  const owner = metadata.annotations?.[ownerAnnotation];
  const isCordoned = spec.unschedulable === true;
  const isExplained = !isCordoned || owner !== undefined || foreignCordons.has(name);
  look('9 ends and owners', isExplained, () => `${name} is left cordoned without an owner`);
  const isMarked = (spec.taints ?? []).some(isPendingTaint);
  look('9 ends and owners', !isMarked, () => `${name} still carries the mark of a run`);
  const planned = (status?.conditions ?? []).find(({ type }) => type === 'MaintenancePlanned');
  look('9 ends and owners', planned?.status !== 'True', () => `${name} still says that maintenance is planned`);
  const run = owner === undefined ? undefined : records.run(owner);
  if (!isCordoned || owner === undefined) return;
  const outcome = run?.servers.get(name)?.outcome;
  const isLeftOnPurpose =
    outcome === 'halted' || outcome === 'skipped' || (outcome === 'done' && run?.definition.purpose === 'evacuate');
  look('9 ends and owners', isLeftOnPurpose, () => `${name} is left cordoned by ${owner} although ${outcome}`);
}

/** One "on" in the journal, at most one power-on in the world; one rung, at most one boot; one id, one execution. */
function checkMachine({ simulation, records, look, foreignPowerOns, foreignBoots }: Checker, server: string): void {
  const machine = simulation.world.machines.get(server);
  if (!machine) return;
  const seen = records.all().flatMap((run) => run.servers.get(server) ?? []);
  const foreign = foreignPowerOns.get(server) ?? 0;
  const asked = seen.reduce((sum, record) => sum + record.asksForOn, foreign);
  const rungs = seen.reduce((sum, record) => sum + record.rungs, foreignBoots.get(server) ?? 0);
  const invariant = '7 one power cycle';
  look(invariant, machine.powerCycles <= asked, () => `${server}: ${machine.powerCycles} power-ons, ${asked} intents`);
  look(invariant, machine.boots <= rungs, () => `${server}: ${machine.boots} boots, ${rungs} intents`);
  for (const [id, count] of diskOf(machine).executions) {
    look(invariant, count <= 1, () => `${id} was executed ${count} times on ${server}`);
  }
}
