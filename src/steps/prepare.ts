/**
 * Before the first cordon, while pods still run: is there anything to do, are server and BMC within reach, are the
 * packages there, and has every pod a way out? It changes nothing that anybody would notice.
 */
import { judgeServer } from '../evacuation/verdict.ts';
import { podKey } from '../cluster/pod.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { NeededProbe, ProgramStep } from '../workflow/definition.ts';
import type { Evidence } from '../workflow/events.ts';
import { sayHold, type Hold } from '../workflow/hold.ts';
import { runAction, runScript } from './run-script.ts';
import { finished, sinceMs, waiting, type StepContext, type StepResult } from './step.ts';
import { closedWays, detectMovers } from './ways.ts';

type Prepare = Extract<ProgramStep, { kind: 'prepare' }>;

export async function advancePrepare(step: Prepare, context: StepContext): Promise<StepResult> {
  const isMaintenance = context.definition.purpose === 'maintenance';
  if (isMaintenance && !context.state.notes[step.id]) {
    await context.record({ kind: 'noted', step: step.id, facts: await readBaseline(context) });
  }
  if (step.needed.length > 0 && !(await isNeeded(step, context))) return finished({ needed: false });
  const blocker = await findBlocker(context);
  if (blocker !== undefined) return holdOrGiveUp(step, context, { kind: 'blocked', by: blocker });
  const crowded = await context.room();
  if (crowded) return holdOrGiveUp(step, context, crowded);
  for (const [index, action] of step.actions.entries()) {
    await runAction(context, step.id, step.needed.length + index, action);
  }
  return finished({ needed: true });
}

/** What the steps after the reboot compare with. Reading it also proves that SSH and BMC are there. */
async function readBaseline(context: StepContext): Promise<Evidence> {
  const facts = await context.shell.readFacts(context.signal);
  const power = await context.bmc.readPower(context.signal);
  if (power !== 'on') {
    throw new MaintenanceError(
      'bmc/lies',
      'halt',
      `${context.server.name} answers over SSH while its BMC says power off`,
    );
  }
  const sel = await context.bmc.readSel(context.signal);
  return { bootId: facts.bootId, kernel: facts.kernel, selLastId: sel.at(-1)?.id ?? 0 };
}

/** Any probe that says "needed" decides; an answer that is neither yes nor no is never taken for one of them. */
async function isNeeded(step: Prepare, context: StepContext): Promise<boolean> {
  for (const [index, probe] of step.needed.entries()) {
    if (await saysNeeded(step.id, index, probe, context)) return true;
  }
  return false;
}

async function saysNeeded(step: string, index: number, probe: NeededProbe, context: StepContext): Promise<boolean> {
  const exitCode = await runScript(context, step, index, probe);
  if (exitCode === 0 || exitCode === 1) {
    const isRecorded = context.state.actions[step]?.[index]?.finished === true;
    if (!isRecorded) await context.record({ kind: 'actionFinished', step, action: index });
    return exitCode === probe.neededExitCode;
  }
  throw new MaintenanceError(
    'service/unclear',
    'halt',
    `the probe whether anything is needed ended with exit code ${exitCode}, which means neither yes nor no`,
    { details: { exitCode } },
  );
}

async function findBlocker(context: StepContext): Promise<string | undefined> {
  const view = await context.cluster.view(context.signal);
  const closedFor = closedWays(await detectMovers(context.movers, context.signal), view);
  const judged = judgeServer(context.server.node, view, context.definition.evacuation, closedFor);
  const blocked = judged.flatMap(({ pod, verdict }) =>
    verdict.kind === 'blocked' ? [`${podKey(pod)}: ${verdict.because} (ask the owner of ${verdict.owner})`] : [],
  );
  if (blocked.length === 0) return undefined;
  const more = blocked.length > 1 ? `, and ${blocked.length - 1} more` : '';
  return `${blocked[0]}${more}`;
}

/** A person may mend it meanwhile; nothing is cordoned, so waiting costs nobody anything. */
function holdOrGiveUp(step: Prepare, context: StepContext, hold: Hold): StepResult {
  const waitedMs = context.clock.nowMs() - sinceMs(context, step.id);
  if (waitedMs >= context.definition.evacuation.timeoutMs) {
    throw new MaintenanceError('evacuation/blocked', 'halt', `cannot be emptied: ${sayHold(hold)}`);
  }
  return waiting(hold, 10_000);
}

/** The playbook's own way back, each command at most once, where anything was begun; then our traces are removed. */
export async function undoPrepare(context: StepContext): Promise<void> {
  const { definition, server, signal, logger } = context;
  if (definition.purpose !== 'maintenance') return;
  const hasBegun = context.state.actions['prepare'] !== undefined;
  if (!hasBegun) return;
  for (const [index, action] of definition.undo.entries()) await runAction(context, 'undo', index, action);
  try {
    await context.shell.forget(`${definition.runId}.${server.name}.`, signal);
  } catch (error) {
    // What is left behind are a few small files; a server out of reach must not keep the run from ending.
    if (!(error instanceof MaintenanceError)) throw error;
    logger.warn({ server: server.name, code: error.code }, 'traces of commands stay on the server');
  }
}
