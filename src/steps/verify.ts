/** The playbook's checks on the server that is back. It mends nothing: what fails is given a moment, then a person. */
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { BootFacts } from '../ports/shell.ts';
import type { Check } from '../spec/playbook.ts';
import type { ProgramStep } from '../workflow/definition.ts';
import { runCheck } from './run-script.ts';
import { finished, sinceMs, working, type StepContext, type StepResult } from './step.ts';

type Verify = Extract<ProgramStep, { kind: 'verify' }>;

/** Services that come up late get so long before a failed check counts. */
const settleMs = 2 * 60_000;

export async function advanceVerify(step: Verify, context: StepContext): Promise<StepResult> {
  const failures: string[] = [];
  // One look at the server for all checks of this round.
  let look: Promise<BootFacts> | undefined;
  const readFacts = (): Promise<BootFacts> => (look ??= context.shell.readFacts(context.signal));
  for (const [index, check] of step.checks.entries()) {
    const failure = await failureOf(check, index, step, context, readFacts);
    if (failure !== undefined) failures.push(failure);
  }
  if (failures.length === 0) return finished({ checks: step.checks.length });
  if (context.clock.nowMs() - sinceMs(context, step.id) >= settleMs) {
    throw new MaintenanceError('verify/failed', 'halt', failures.join('; '));
  }
  return working(5_000);
}

async function failureOf(
  check: Check,
  index: number,
  step: Verify,
  context: StepContext,
  readFacts: () => Promise<BootFacts>,
): Promise<string | undefined> {
  const { bmc, signal } = context;
  if ('kernel' in check) {
    const { kernel, newestKernel } = await readFacts();
    const expected = check.kernel.is.replaceAll('${newest}', newestKernel);
    return kernel === expected ? undefined : `kernel ${kernel} runs, expected ${expected}`;
  }
  if ('units' in check) {
    const { failedUnits } = await readFacts();
    const isTooMany = failedUnits.length > check.units.failed;
    return isTooMany ? `failed units: ${failedUnits.join(', ')}` : undefined;
  }
  if ('sel' in check) {
    const lastBefore = Number(context.state.notes['prepare']?.['selLastId'] ?? 0);
    const fresh = (await bmc.readSel(signal)).filter((entry) => entry.critical && entry.id > lastBefore);
    const worst = fresh.at(-1);
    return worst && fresh.length > check.sel.newCritical ? `SEL: ${worst.sensor} ${worst.event}` : undefined;
  }
  if ('sensors' in check) {
    const bad = (await bmc.readSensors(signal)).find((sensor) => sensor.status === 'critical');
    return bad ? `sensor ${bad.name} is ${bad.value}` : undefined;
  }
  if ('ssh' in check) {
    const exitCode = await runCheck(context, step.id, index, check.ssh);
    return exitCode === 0 ? undefined : `check ${index + 1} ended with exit code ${exitCode}`;
  }
  return unreachable(check);
}
