/** `pitcrew pause RUN`: no new server starts; those at work stop at the next safe point. */
import type { Command } from 'commander';
import type { Run } from '../session.ts';
import { request } from './requested.ts';

export function addPause(program: Command, run: Run): void {
  program
    .command('pause')
    .argument('<run>', 'id of the run')
    .description('start no further server; those at work stop at the next safe point')
    .action((runId: string, _options: unknown, command: Command) =>
      run(command, (session) =>
        request(session, {
          ask: (client) => client.request(runId, 'pause'),
          text: () => `pause of run ${runId} asked for`,
          next: () => [`status ${runId} --watch`, `resume ${runId}`],
        }),
      ),
    );
}
