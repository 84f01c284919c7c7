/** `pitcrew approve RUN`: lets the next wave start, where the plan asks a person first. */
import type { Command } from 'commander';
import type { Run } from '../session.ts';
import { request } from './requested.ts';

export function addApprove(program: Command, run: Run): void {
  program
    .command('approve')
    .argument('<run>', 'id of the run')
    .description('let the next wave start')
    .action((runId: string, _options: unknown, command: Command) =>
      run(command, (session) =>
        request(session, {
          ask: (client) => client.request(runId, 'approve'),
          text: () => `run ${runId} approved`,
          next: () => [`status ${runId} --watch`, `pause ${runId}`],
        }),
      ),
    );
}
