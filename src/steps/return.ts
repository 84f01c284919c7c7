/** Puts the server back into service, only after everything before has succeeded, and lifts only our own cordon. */
import { liftCordon } from './cordon.ts';
import { finished, type StepContext, type StepResult } from './step.ts';

export async function advanceReturn(context: StepContext): Promise<StepResult> {
  const { cluster, definition, server, signal } = context;
  const answer = await liftCordon(context, definition.lifts ?? definition.runId);
  // Traces of our commands are removed last: until here a restarted daemon may still need them.
  if (definition.purpose === 'maintenance') {
    await context.shell.forget(`${definition.runId}.${server.name}.`, signal);
  }
  if (answer === 'uncordoned') {
    await cluster.announce(server.node, 'MaintenanceFinished', `run ${definition.runId}`, signal);
  }
  return finished({ cordon: answer });
}
