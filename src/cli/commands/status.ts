/** `pitcrew status [RUN]`: one run as it is now, or as it goes on; without RUN the one that is active. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { RunView } from '../../workflow/run-view.ts';
import { UsageError } from '../io.ts';
import { byNewest, renderRuns } from '../render/runs.ts';
import { isEnded, renderStatus } from '../render/status.ts';
import type { Run, Session } from '../session.ts';
import { watchRun } from '../watch.ts';
import { sayNext } from './requested.ts';

interface StatusOptions {
  readonly watch?: boolean;
  readonly all?: boolean;
}

export function addStatus(program: Command, run: Run): void {
  program
    .command('status')
    .argument('[run]', 'id of the run (default: the active one)')
    .option('-w, --watch', 'follow the run until it ends: exit code 0 if it is done, 1 if not')
    .option('-a, --all', 'also the servers that have not begun and those that have ended')
    .description('what a run is doing')
    .action((runId: string | undefined, options: StatusOptions, command: Command) =>
      run(command, (session) =>
        runId === undefined ? showActive(session, options) : showRun(session, runId, options),
      ),
    );
}

async function showRun(session: Session, runId: string, options: StatusOptions): Promise<ExitCode> {
  if (options.watch === true) return watchRun(session, runId);
  const client = await session.client();
  const view = await client.run(runId);
  await session.print(view, () => renderStatus(view, session.view(), { all: options.all ?? false }));
  return ExitCode.done;
}

async function showActive(session: Session, options: StatusOptions): Promise<ExitCode> {
  const client = await session.client();
  const runs = (await client.runs()).sort(byNewest);
  const active = runs.filter((view) => !isEnded(view));
  const [newest] = active;
  if (options.watch === true) {
    if (newest) return watchRun(session, newest.runId);
    throw new UsageError('no run is active', '`pitcrew history` lists those that have ended');
  }
  // For programs always a list: its shape must not depend on how many runs there are.
  await session.print(active, () => textOf(session, runs, active, options));
  if (session.format === 'text' && active.length > 1) sayNext(session, [`status ${newest?.runId} --watch`]);
  return ExitCode.done;
}

function textOf(
  session: Session,
  runs: readonly RunView[],
  active: readonly RunView[],
  options: StatusOptions,
): string {
  const [only, ...others] = active;
  if (!only) return textOfEnded(session, runs);
  if (others.length > 0) return renderRuns(active, session.view());
  return renderStatus(only, session.view(), { all: options.all ?? false });
}

/** At three in the morning nobody shall read that nothing is going on, where somebody is waited for. */
function textOfEnded(session: Session, runs: readonly RunView[]): string {
  const [newest] = runs;
  if (newest?.status !== 'halted') return `no run is active\n${renderRuns(runs.slice(0, 5), session.view())}`;
  return `no run is active; the last one halted and waits for a person\n\n${renderStatus(newest, session.view())}`;
}
