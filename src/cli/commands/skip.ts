/** `pitcrew skip RUN SERVER`: the run goes on without this server; asks first, because its maintenance is given up. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import { noSuchServerInRun } from '../../engine/not-there.ts';
import type { Run } from '../session.ts';
import { request } from './requested.ts';

export function addSkip(program: Command, run: Run): void {
  program
    .command('skip')
    .argument('<run>', 'id of the run')
    .argument('<server>', 'name of the server')
    .description('go on without a server')
    .action((runId: string, server: string, _options: unknown, command: Command) =>
      run(command, async (session) => {
        const { servers } = await (await session.client()).run(runId);
        if (!servers.some(({ name }) => name === server)) throw noSuchServerInRun(runId, server, servers);
        const isSure = await session.confirm(`Skip ${server} in run ${runId}? Its maintenance is given up.`);
        if (!isSure) return ExitCode.refused;
        return request(session, {
          ask: (client) => client.requestServer(runId, server, 'skip'),
          text: () => `${server} is to be skipped in run ${runId}`,
          next: () => [`status ${runId} --watch`, `servers`],
        });
      }),
    );
}
