/** One action of the playbook on the empty server. The point of no return: from here on it is only forward or a halt. */
import { unreachable } from '../errors/maintenance-error.ts';
import type { ProgramStep } from '../workflow/definition.ts';
import { assertEmpty } from './emptiness.ts';
import { runAction } from './run-script.ts';
import { finished, sinceMs, working, type StepContext, type StepResult } from './step.ts';

type Service = Extract<ProgramStep, { kind: 'service' }>;

export async function advanceService(step: Service, context: StepContext): Promise<StepResult> {
  const { action } = step;
  const hasBegun = context.state.actions[step.id]?.[0] !== undefined;
  if (!hasBegun) await assertEmpty(context);
  if ('ssh' in action) {
    await runAction(context, step.id, 0, action);
    return finished();
  }
  if ('waitMs' in action) {
    const leftMs = sinceMs(context, step.id) + action.waitMs - context.clock.nowMs();
    return leftMs > 0 ? working(leftMs) : finished();
  }
  if ('bootDevice' in action) {
    await context.bmc.setBootDevice(action.bootDevice, context.signal);
    return finished({ bootDevice: action.bootDevice });
  }
  if ('power' in action) return advancePower(action.power, context);
  return unreachable(action);
}

/** Asking for the state that is already there does nothing, so asking again after a crash is safe. */
async function advancePower(wanted: 'on' | 'off', context: StepContext): Promise<StepResult> {
  if ((await context.bmc.readPower(context.signal)) === wanted) return finished({ power: wanted });
  await context.bmc.requestPower(wanted, context.signal);
  return working(2_000);
}
