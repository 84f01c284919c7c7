/** `pitcrew retry RUN SERVER`: another try for a halted server, after a person has looked at it. */
import type { Command } from 'commander';
import type { Run } from '../session.ts';
import { request } from './requested.ts';

export function addRetry(program: Command, run: Run): void {
  program
    .command('retry')
    .argument('<run>', 'id of the run')
    .argument('<server>', 'name of the halted server')
    .description('another try for a server that was halted')
    .action((runId: string, server: string, _options: unknown, command: Command) =>
      run(command, (session) =>
        request(session, {
          ask: (client) => client.requestServer(runId, server, 'retry'),
          text: () => `another try of ${server} asked for`,
          next: () => [`status ${runId} --watch`, `history ${runId} ${server}`],
        }),
      ),
    );
}
