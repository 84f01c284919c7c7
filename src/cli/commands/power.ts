/** `pitcrew power SERVER status|on|off|cycle`: asks a BMC; off and cycle kill whatever runs there, so they ask first. */
import { Argument, type Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Run } from '../session.ts';
import { sayNext } from './requested.ts';

const verbs = ['status', 'on', 'off', 'cycle'] as const;

export function addPower(program: Command, run: Run): void {
  program
    .command('power')
    .argument('<server>', 'name of the server')
    .addArgument(new Argument('<verb>', 'what to ask of its BMC').choices(verbs))
    .description('power of one server, through its BMC')
    .action((server: string, verb: (typeof verbs)[number], _options: unknown, command: Command) =>
      run(command, async (session) => {
        if (verb === 'off' || verb === 'cycle') {
          const isSure = await session.confirm(`Power ${verb} ${server}? Whatever runs there is killed.`);
          if (!isSure) return ExitCode.refused;
        }
        const client = await session.client();
        const answer = await client.power(server, verb);
        await session.print(answer, () => `${server} power ${answer.power}`);
        if (verb !== 'status') sayNext(session, [`power ${server} status`, 'history']);
        return ExitCode.done;
      }),
    );
}
