/** Which code carries which step. The only place that knows all of them. */
import { unreachable } from '../errors/maintenance-error.ts';
import type { ProgramStep } from '../workflow/definition.ts';
import { advanceCordon, liftCordon } from './cordon.ts';
import { advanceEvacuate, undoEvacuate } from './evacuate.ts';
import { advancePrepare, undoPrepare } from './prepare.ts';
import { advanceReboot } from './reboot.ts';
import { advanceRejoin } from './rejoin.ts';
import { advanceReturn } from './return.ts';
import { advanceService } from './service.ts';
import type { StepContext, StepResult } from './step.ts';
import { advanceVerify } from './verify.ts';

export function advanceStep(step: ProgramStep, context: StepContext): Promise<StepResult> {
  switch (step.kind) {
    case 'prepare':
      return advancePrepare(step, context);
    case 'cordon':
      return advanceCordon(context);
    case 'evacuate':
      return advanceEvacuate(context);
    case 'service':
      return advanceService(step, context);
    case 'reboot':
      return advanceReboot(step, context);
    case 'rejoin':
      return advanceRejoin(step, context);
    case 'verify':
      return advanceVerify(step, context);
    case 'return':
      return advanceReturn(context);
    default:
      return unreachable(step);
  }
}

/** Takes back what a step before the point of no return has done; may be called any number of times. */
export async function undoStep(step: ProgramStep, context: StepContext): Promise<void> {
  switch (step.kind) {
    case 'prepare':
      return undoPrepare(context);
    case 'cordon':
      await liftCordon(context, context.definition.runId);
      return;
    case 'evacuate':
      return undoEvacuate(context);
    case 'service':
    case 'reboot':
    case 'rejoin':
    case 'verify':
    case 'return':
      // There is no way back from here; `undoStarted` cannot be written then.
      return;
    default:
      unreachable(step);
  }
}
