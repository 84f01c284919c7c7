/** `pitcrew return SERVER`: takes a server that Pitcrew cordoned back into service. */
import type { Command } from 'commander';
import type { Run } from '../session.ts';
import { beginRun, type WatchOptions } from './started.ts';

export function addReturn(program: Command, run: Run): void {
  program
    .command('return')
    .argument('<server>', 'name of the server')
    .option('-w, --watch', 'follow it until it ends')
    .description('take a server back into service that pitcrew cordoned')
    .action((server: string, options: WatchOptions, command: Command) =>
      run(command, (session) =>
        beginRun(session, { begin: (client) => client.returnServer(server), title: `return ${server}` }, options),
      ),
    );
}
