/** `pitcrew evacuate SERVER`: cordons one server and moves its pods away; asks first. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Run } from '../session.ts';
import { beginRun, type WatchOptions } from './started.ts';

export function addEvacuate(program: Command, run: Run): void {
  program
    .command('evacuate')
    .argument('<server>', 'name of the server')
    .option('-w, --watch', 'follow it until it ends')
    .description('cordon a server and move its pods away')
    .action((server: string, options: WatchOptions, command: Command) =>
      run(command, async (session) => {
        // There is nothing to be sure about where there is no such server.
        await (await session.client()).server(server);
        const isSure = await session.confirm(`Move all pods away from ${server}?`);
        if (!isSure) return ExitCode.refused;
        const title = `evacuate ${server}, then \`pitcrew return ${server}\``;
        return beginRun(session, { begin: (client) => client.evacuate(server), title }, options);
      }),
    );
}
