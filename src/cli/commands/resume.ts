/** `pitcrew resume RUN`: a paused run goes on. */
import type { Command } from 'commander';
import type { Run } from '../session.ts';
import { request } from './requested.ts';

export function addResume(program: Command, run: Run): void {
  program
    .command('resume')
    .argument('<run>', 'id of the run')
    .description('let a paused run go on')
    .action((runId: string, _options: unknown, command: Command) =>
      run(command, (session) =>
        request(session, {
          ask: (client) => client.request(runId, 'resume'),
          text: () => `run ${runId} goes on`,
          next: () => [`status ${runId} --watch`, `pause ${runId}`],
        }),
      ),
    );
}
