/** Puts the server back into service, only after everything before has succeeded, and lifts only our own cordon. */
import { ControlPlane } from '../cluster/control-plane.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { liftCordon } from './cordon.ts';
import { finished, lengthText, sinceMs, waiting, type StepContext, type StepResult } from './step.ts';

/** From a node that is Ready to its static pods being Ready: etcd may have a night's writes to catch up with. */
const controlPlaneMs = 15 * 60_000;

export async function advanceReturn(context: StepContext): Promise<StepResult> {
  const { cluster, definition, server, signal } = context;
  const ill = definition.purpose === 'maintenance' ? await controlPlaneIllness(context) : undefined;
  if (ill) return ill;
  const answer = await liftCordon(context, definition.lifts ?? definition.runId);
  // Traces of our commands are removed last: until here a restarted daemon may still need them.
  if (definition.purpose === 'maintenance') await forgetTraces(context);
  if (answer === 'uncordoned') {
    await cluster.announce(server.node, 'MaintenanceFinished', `run ${definition.runId}`, signal);
  }
  return finished({ cordon: answer });
}

/** The next server of the control plane starts when this one is through, so it has to be a full member again. */
async function controlPlaneIllness(context: StepContext): Promise<StepResult | undefined> {
  const { cluster, server, clock, signal } = context;
  const text = new ControlPlane(await cluster.view(signal)).illness(server.node);
  if (text === undefined) return undefined;
  const waitedMs = clock.nowMs() - sinceMs(context, 'return');
  if (waitedMs < controlPlaneMs) return waiting({ kind: 'waiting', for: 'pods', text });
  throw new MaintenanceError('wait/timeout', 'halt', `${text}, ${lengthText(waitedMs)} after the server was verified`);
}

/** The server is in service again: a connection that drops just now must not make a success look like a failure. */
async function forgetTraces({ definition, server, shell, logger, signal }: StepContext): Promise<void> {
  try {
    await shell.forget(`${definition.runId}.${server.name}.`, signal);
  } catch (error) {
    if (!(error instanceof MaintenanceError)) throw error;
    logger.warn({ server: server.name, code: error.code }, 'traces of commands stay on the server');
  }
}
