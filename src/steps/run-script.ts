/**
 * One script of a playbook, at most once: its id is recorded before it is started, and after a crash the same id is
 * picked up. Only a person's retry gives a script a new id.
 */
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { ShellOutcome } from '../ports/shell.ts';
import type { SshAction } from '../workflow/definition.ts';
import type { StepContext } from './step.ts';

interface Script {
  readonly run: string;
  readonly timeoutMs: number;
}

/** Runs action `index` of a step unless it has finished before. Resolves with its exit code. */
export async function runScript(context: StepContext, step: string, index: number, script: Script): Promise<number> {
  const log = context.state.actions[step]?.[index];
  const commandId = log?.commandId ?? newCommandId(context, step, index);
  if (!log) await context.record({ kind: 'actionStarted', step, action: index, commandId });
  const outcome = await context.shell.run(
    {
      id: commandId,
      script: script.run,
      timeoutMs: script.timeoutMs,
      onOutput: (text) => context.output(step, text),
    },
    context.signal,
  );
  return exitCodeOf(outcome, context.server.name);
}

/** An action that has to succeed. */
export async function runAction(context: StepContext, step: string, index: number, action: SshAction): Promise<void> {
  if (context.state.actions[step]?.[index]?.finished) return;
  const { ssh } = action;
  if ('copy' in ssh) {
    // Writing the same file again is harmless, so no id is needed.
    await context.shell.writeFile(ssh.copy.to, ssh.copy.content, context.signal);
    return;
  }
  const exitCode = await runScript(context, step, index, ssh);
  if (exitCode !== 0) {
    throw new MaintenanceError(
      'service/failed',
      'halt',
      `command ${index + 1} of ${step} ended with exit code ${exitCode}`,
      {
        details: { step, exitCode },
      },
    );
  }
  await context.record({ kind: 'actionFinished', step, action: index });
}

/** A check only looks, so each look is a new execution: yesterday's answer is no answer. */
export async function runCheck(context: StepContext, step: string, index: number, script: Script): Promise<number> {
  const { definition, server, clock, signal } = context;
  const id = `${definition.runId}.${server.name}.${step}.${index}.at${clock.nowMs()}`;
  const onOutput = (text: string): void => context.output(step, text);
  const outcome = await context.shell.run({ id, script: script.run, timeoutMs: script.timeoutMs, onOutput }, signal);
  return exitCodeOf(outcome, server.name);
}

/** The retry that a person asked for is part of the id, so that their new try is a new execution. */
function newCommandId(context: StepContext, step: string, index: number): string {
  const { definition, server, state } = context;
  return `${definition.runId}.${server.name}.${step}.${index}.${state.retryTaken}`;
}

function exitCodeOf(outcome: ShellOutcome, server: string): number {
  switch (outcome.kind) {
    case 'exited':
      return outcome.exitCode;
    case 'timedOut':
      throw new MaintenanceError(
        'service/failed',
        'halt',
        `the command took too long on ${server} and was ended there`,
      );
    case 'lost':
      throw new MaintenanceError(
        'service/unclear',
        'halt',
        `${server} was rebooted while the command ran: nobody knows how far it came`,
      );
    default:
      return unreachable(outcome);
  }
}
