/** `pitcrew history [RUN] [SERVER]`: all runs, the journal of one, or that of one server in it with its output. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import { UsageError } from '../io.ts';
import { renderHistory, renderOutput } from '../render/history.ts';
import { renderRuns } from '../render/runs.ts';
import type { Run, Session } from '../session.ts';

interface HistoryOptions {
  readonly output?: boolean;
}

export function addHistory(program: Command, run: Run): void {
  program
    .command('history')
    .argument('[run]', 'id of the run (default: a list of all runs)')
    .argument('[server]', 'only this server')
    .option('--output', 'what the commands on this server printed')
    .description('what happened, from the journal')
    .action((runId: string | undefined, server: string | undefined, options: HistoryOptions, command: Command) =>
      run(command, (session) => show(session, runId, server, options)),
    );
}

async function show(
  session: Session,
  runId: string | undefined,
  server: string | undefined,
  options: HistoryOptions,
): Promise<ExitCode> {
  if (options.output === true && (runId === undefined || server === undefined)) {
    throw new UsageError('--output is about one server of one run', 'pitcrew history RUN SERVER --output');
  }
  const client = await session.client();
  if (runId === undefined) {
    const runs = await client.runs();
    await session.print(runs, () => renderRuns(runs, session.view()));
  } else if (server !== undefined && options.output === true) {
    const lines = await client.output(runId, server);
    await session.print(lines, () => renderOutput(lines, session.view()));
  } else {
    const entries = await client.history(runId, server);
    await session.print(entries, () => renderHistory(entries, session.view()));
  }
  return ExitCode.done;
}
