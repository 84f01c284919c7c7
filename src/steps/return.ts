/** Puts the server back into service, only after everything before has succeeded, and lifts only our own cordon. */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { liftCordon } from './cordon.ts';
import { finished, type StepContext, type StepResult } from './step.ts';

export async function advanceReturn(context: StepContext): Promise<StepResult> {
  const { cluster, definition, server, signal } = context;
  const answer = await liftCordon(context, definition.lifts ?? definition.runId);
  // Traces of our commands are removed last: until here a restarted daemon may still need them.
  if (definition.purpose === 'maintenance') await forgetTraces(context);
  if (answer === 'uncordoned') {
    await cluster.announce(server.node, 'MaintenanceFinished', `run ${definition.runId}`, signal);
  }
  return finished({ cordon: answer });
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
