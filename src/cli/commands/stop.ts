/** `pitcrew stop RUN`: pause, then bring back what can be brought back; asks first, because the run does not go on. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Run } from '../session.ts';
import { request } from './requested.ts';

export function addStop(program: Command, run: Run): void {
  program
    .command('stop')
    .argument('<run>', 'id of the run')
    .description('end a run: bring back what can be brought back, start nothing more')
    .action((runId: string, _options: unknown, command: Command) =>
      run(command, async (session) => {
        // There is nothing to be sure about where there is no such run.
        await (await session.client()).run(runId);
        const isSure = await session.confirm(`Stop run ${runId}? It cannot be resumed.`);
        if (!isSure) return ExitCode.refused;
        return request(session, {
          ask: (client) => client.request(runId, 'stop'),
          text: () => `stop of run ${runId} asked for; servers past the point of no return go on to their end`,
          next: () => [`status ${runId} --watch`, `history ${runId}`],
        });
      }),
    );
}
