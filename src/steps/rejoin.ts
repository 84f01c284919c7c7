/** Waits until Kubernetes has the rebooted server back: Ready, and with the boot id that SSH has shown. */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { ProgramStep } from '../workflow/definition.ts';
import { finished, sinceMs, working, type StepContext, type StepResult } from './step.ts';

/** From a system that answers over SSH to a node that is Ready. */
const rejoinMs = 10 * 60_000;

export async function advanceRejoin(
  step: Extract<ProgramStep, { kind: 'rejoin' }>,
  context: StepContext,
): Promise<StepResult> {
  const { bootId } = await context.shell.readFacts(context.signal);
  const view = await context.cluster.view(context.signal);
  const node = view.nodes.find((candidate) => candidate.name === context.server.node);
  // Ready alone may be what the node said before the reboot; it stays so for up to 50 s.
  if (node?.ready && node.bootId === bootId) return finished({ bootId, kernel: node.kernelVersion });
  if (context.clock.nowMs() - sinceMs(context, step.id) >= rejoinMs) {
    const seen = !node ? 'is unknown to Kubernetes' : node.ready ? 'is Ready with an old boot id' : 'is not Ready';
    throw new MaintenanceError(
      'wait/timeout',
      'halt',
      `node ${context.server.node} ${seen} 10 min after the server was back`,
    );
  }
  return working(500);
}
