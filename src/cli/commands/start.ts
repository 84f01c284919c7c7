/** `pitcrew start PLAN`: begins a run of a plan now. */
import type { Command } from 'commander';
import type { Run } from '../session.ts';
import { beginRun, type WatchOptions } from './started.ts';

export function addStart(program: Command, run: Run): void {
  program
    .command('start')
    .argument('<plan>', 'name of the plan')
    .option('-w, --watch', 'follow the run until it ends: exit code 0 if it is done, 1 if not')
    .description('start a run of a plan')
    .action((plan: string, options: WatchOptions, command: Command) =>
      run(command, (session) => beginRun(session, { begin: (client) => client.start(plan), title: plan }, options)),
    );
}
