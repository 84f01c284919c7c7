/** `pitcrew servers`: the inventory, as Kubernetes sees it now. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Run } from '../session.ts';
import { renderServers } from '../render/servers.ts';

export function addServers(program: Command, run: Run): void {
  program
    .command('servers')
    .description('all servers: state, kernel, pods, and which run has them')
    .action((_options: unknown, command: Command) =>
      run(command, async (session) => {
        const client = await session.client();
        const servers = await client.servers();
        await session.print(servers, () => renderServers(servers, session.view()));
        return ExitCode.done;
      }),
    );
}
