/**
 * Reboots the server up a ladder (over SSH, BMC soft, BMC off and on), and believes it only with evidence: another boot
 * id and the kernel that was expected. Nobody's word is evidence, neither the shell's nor the BMC's nor `Ready`.
 *
 * Each rung is recorded before it is tried and tried once. Power goes off, is read to be off, and only then goes on; the
 * "on" is recorded before it is asked for, and a second one in the same rung cannot be written. Power that goes off after
 * that is left off: somebody may be working at the server.
 */
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { BootFacts } from '../ports/shell.ts';
import type { Rung } from '../spec/playbook.ts';
import type { ProgramStep } from '../workflow/definition.ts';
import type { Evidence } from '../workflow/events.ts';
import { powerNeed, wasOn } from '../workflow/power.ts';
import type { RebootLog } from '../workflow/server-state.ts';
import { assertEmpty } from './emptiness.ts';
import { finished, lengthText, waiting, working, type StepContext, type StepResult } from './step.ts';

type Reboot = Extract<ProgramStep, { kind: 'reboot' }>;

/** How long a soft power-off may take before it counts as ignored (Ironic waits 600 s; a hung system never answers). */
const softOffMs = 5 * 60_000;
/** A BMC that took "off" and is still on after this, or a quarter of the rung's time, is asked again. */
const askAgainMs = 20_000;
/** A hung system takes a connection and then says nothing: one look waits so long at most, and never eats up a rung. */
const probeMs = 10_000;
const pollMs = 1_000;
const pollMaxMs = 5_000;

export async function advanceReboot(step: Reboot, context: StepContext): Promise<StepResult> {
  const facts = await tryFacts(step, context);
  const before = context.state.notes[step.id] ?? (await recordBefore(step, context, facts));
  if (facts && facts.bootId !== before['bootId']) return acceptBoot(facts, before);

  const log = context.state.reboots[step.id] ?? { rungs: [], power: [] };
  const rung = log.rungs.at(-1);
  if (!rung) return startRung(step, context, 0);
  if (context.clock.nowMs() >= deadlineMs(step, log, before)) {
    if (await isUntried(log, before, facts, context)) return giveLateTurn(step, log, context);
    await assertNotSwitchedOff(log, context);
    const next = log.rungs.length;
    return next < step.ladder.length ? startRung(step, context, next) : giveUp(step, context);
  }
  return rung.rung === 'ssh' ? continueSsh(rung, context, facts) : continuePower(step, rung.rung, log, context);
}

/** Written down before anything is asked, because afterwards nobody can tell any more. */
async function recordBefore(step: Reboot, context: StepContext, facts: BootFacts | undefined): Promise<Evidence> {
  await assertEmpty(context);
  const known = context.state.notes['prepare'];
  const bootId = facts?.bootId ?? known?.['bootId'];
  if (bootId === undefined) {
    throw new MaintenanceError(
      'ssh/unreachable',
      'retry',
      `${context.server.name} does not answer, its boot id is unknown`,
    );
  }
  const newest = facts?.newestKernel ?? '';
  if (step.expectKernel?.includes('${newest}') && newest === '') {
    throw new MaintenanceError(
      'ssh/unreachable',
      'retry',
      `the newest kernel on ${context.server.name} cannot be told`,
    );
  }
  const expectKernel = step.expectKernel?.replaceAll('${newest}', newest) ?? '';
  const before = { bootId, kernel: facts?.kernel ?? known?.['kernel'] ?? '', expectKernel };
  await context.record({ kind: 'noted', step: step.id, facts: before });
  return before;
}

function acceptBoot(facts: BootFacts, before: Evidence): StepResult {
  const expected = before['expectKernel'];
  if (expected !== '' && facts.kernel !== expected) {
    throw new MaintenanceError('reboot/wrong-kernel', 'halt', `it booted ${facts.kernel}, expected ${expected}`, {
      details: { running: facts.kernel, expected: String(expected) },
    });
  }
  return finished({ bootId: facts.bootId, kernel: facts.kernel, kernelBefore: before['kernel'] ?? '' });
}

const answered = 'answered';

/** Minutes long, once a second: one controller, for a signal made of others costs more than the look itself. */
async function tryFacts(step: Reboot, context: StepContext): Promise<BootFacts | undefined> {
  const look = new AbortController();
  const giveUp = (): void => look.abort(context.signal.reason);
  context.signal.addEventListener('abort', giveUp, { once: true });
  const alarm = context.clock.sleep(Math.min(probeMs, step.timeoutMs / 6), look.signal).then(
    () => look.abort(new MaintenanceError('ssh/timeout', 'retry', `${context.server.name} does not answer`)),
    () => undefined,
  );
  try {
    context.signal.throwIfAborted();
    return await context.shell.readFacts(look.signal);
  } catch (error) {
    context.signal.throwIfAborted();
    // Down, booting or hung: exactly what is expected now. A wrong key is not: it will not mend itself.
    if (error instanceof MaintenanceError && error.disposition !== 'halt') return undefined;
    throw error;
  } finally {
    context.signal.removeEventListener('abort', giveUp);
    // The alarm must not ring, nor keep anybody waiting, once the answer is there.
    look.abort(answered);
    await alarm;
  }
}

/** When this rung has had its time: the plan's time to come back, counted anew once "on" was asked for. */
function deadlineMs(step: Reboot, log: RebootLog, before: Evidence): number {
  const { rung, atMs } = log.rungs.at(-1) ?? { rung: 'ssh', atMs: 0 };
  const onMs = log.power.find((entry) => entry.kind === 'asked' && entry.state === 'on')?.atMs;
  if (onMs !== undefined) return onMs + step.timeoutMs;
  const hasLateTurn = before['lateRung'] === log.rungs.length;
  const startMs = hasLateTurn ? Math.max(atMs, Number(before['lateMs'])) : atMs;
  return startMs + (rung === 'bmc-soft' ? Math.min(softOffMs, step.timeoutMs) : step.timeoutMs);
}

/** Written down, and then no daemon was there to ask: its time has run out without a try. */
async function isUntried(
  log: RebootLog,
  before: Evidence,
  facts: BootFacts | undefined,
  context: StepContext,
): Promise<boolean> {
  const rung = log.rungs.at(-1);
  if (!rung || before['lateRung'] === log.rungs.length) return false;
  if (rung.rung !== 'ssh') return log.power.length === 0;
  return facts !== undefined && (await context.shell.statusOf(rung.commandId, context.signal)) === 'unknown';
}

/** Once per rung, and written down, so that it cannot go on for ever. */
async function giveLateTurn(step: Reboot, log: RebootLog, context: StepContext): Promise<StepResult> {
  const facts = { lateRung: log.rungs.length, lateMs: context.clock.nowMs() };
  await context.record({ kind: 'noted', step: step.id, facts });
  return working(0);
}

async function startRung(step: Reboot, context: StepContext, index: number): Promise<StepResult> {
  const rung = step.ladder[index] ?? 'ssh';
  const { definition, server, state } = context;
  const commandId = `${definition.runId}.${server.name}.${step.id}.rung${index}.${state.retryTaken}`;
  await context.record({ kind: 'rungStarted', step: step.id, rung, commandId });
  return working(0);
}

/** The same id never reboots twice, so after a crash between record and request asking again is safe. */
async function continueSsh(
  rung: RebootLog['rungs'][number],
  context: StepContext,
  facts: BootFacts | undefined,
): Promise<StepResult> {
  if (!facts) return working(lookAgainMs(rung.atMs, context));
  await assertEmpty(context);
  try {
    await context.shell.requestReboot(rung.commandId, context.signal);
  } catch (error) {
    // The connection going away is what a reboot looks like.
    if (!(error instanceof MaintenanceError) || error.disposition === 'halt') throw error;
  }
  return working(pollMs);
}

/** A server that boots for minutes is looked at less and less often, and a twentieth of that time is lost at most. */
function lookAgainMs(sinceMs: number, context: StepContext): number {
  return Math.min(pollMaxMs, Math.max(pollMs, Math.round((context.clock.nowMs() - sinceMs) / 20)));
}

async function continuePower(step: Reboot, rung: Rung, log: RebootLog, context: StepContext): Promise<StepResult> {
  const { bmc, signal } = context;
  const seenOff = log.power.some((entry) => entry.kind === 'seen' && entry.state === 'off');
  const need = powerNeed(log, await bmc.readPower(signal));
  switch (need) {
    case 'none':
      if (!wasOn(log)) await context.record({ kind: 'powerSeen', step: step.id, state: 'on' });
      return working(pollMs);
    case 'switchedOff':
      return waiting({ kind: 'blocked', by: `${switchedOff}; it goes on once it is on and has booted` });
    case 'onAgain':
      await bmc.requestPower('on', signal);
      return working(pollMs);
    case 'on':
      if (!seenOff) await context.record({ kind: 'powerSeen', step: step.id, state: 'off' });
      await context.record({ kind: 'powerAsked', step: step.id, request: 'on' });
      await bmc.requestPower('on', signal);
      return working(pollMs);
    case 'off':
      return askForOff(step, rung, log, context);
    default:
      return unreachable(need);
  }
}

/** Power is on and "on" was never asked for in this rung, so an earlier "off" has had no effect: asking again is no second cycle. */
async function askForOff(step: Reboot, rung: Rung, log: RebootLog, context: StepContext): Promise<StepResult> {
  const lastAsk = log.power.findLast((entry) => entry.kind === 'asked' && entry.state === 'off');
  const againMs = Math.min(askAgainMs, step.timeoutMs / 4);
  const isFresh = lastAsk !== undefined && context.clock.nowMs() - lastAsk.atMs < againMs;
  if (isFresh) return working(pollMs);
  // Minutes may lie between the first look and this rung, and the system may be up all the while.
  await assertEmpty(context);
  await context.record({ kind: 'powerAsked', step: step.id, request: 'off' });
  await context.bmc.requestPower(rung === 'bmc-soft' ? 'soft' : 'off', context.signal);
  return working(pollMs);
}

const switchedOff = 'the power went off again after it was on: somebody, or the server itself, has switched it off';

/** The next rung would switch it on against whoever has switched it off. */
async function assertNotSwitchedOff(log: RebootLog, { bmc, signal }: StepContext): Promise<void> {
  if (!wasOn(log) || powerNeed(log, await bmc.readPower(signal)) !== 'switchedOff') return;
  throw new MaintenanceError('reboot/switched-off', 'halt', switchedOff);
}

/** What the BMC's event log says goes into the reason, because that is the first thing anybody would look up. */
async function giveUp(step: Reboot, context: StepContext): Promise<StepResult> {
  let bmcSays = 'the BMC does not answer';
  try {
    const power = await context.bmc.readPower(context.signal);
    const last = (await context.bmc.readSel(context.signal)).at(-1);
    bmcSays = `BMC says power ${power}${last ? `, SEL ${last.time} "${last.sensor}: ${last.event}"` : ', SEL empty'}`;
  } catch (error) {
    if (!(error instanceof MaintenanceError)) throw error;
  }
  throw new MaintenanceError(
    'reboot/no-evidence',
    'halt',
    `the server did not come back: no new boot id within ${lengthText(step.timeoutMs)} of the last try; ${bmcSays}`,
  );
}
