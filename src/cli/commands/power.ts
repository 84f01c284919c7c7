/**
 * `pitcrew power SERVER status|on|off|cycle`: asks a BMC. Off and cycle kill whatever runs there, so they look first, say what
 * they have seen, and ask.
 */
import { Argument, type Command } from 'commander';
import type { ApiClient } from '../../api/client.ts';
import type { ServerStanding } from '../../engine/operations.ts';
import { ExitCode } from '../../errors/codes.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Run, Session } from '../session.ts';
import { plural } from '../render/text.ts';
import { sayNext } from './requested.ts';

const verbs = ['status', 'on', 'off', 'cycle'] as const;
type Verb = (typeof verbs)[number];

interface PowerOptions {
  readonly force?: boolean;
}

export function addPower(program: Command, run: Run): void {
  program
    .command('power')
    .argument('<server>', 'name of the server')
    .addArgument(new Argument('<verb>', 'what to ask of its BMC').choices(verbs))
    .option('--force', 'off and cycle: also where a run has the server and has not come to it yet')
    .description('power of one server, through its BMC')
    .action((server: string, verb: Verb, options: PowerOptions, command: Command) =>
      run(command, async (session) => {
        const client = await session.client();
        if ((verb === 'off' || verb === 'cycle') && !(await isSure(session, client, { server, verb, ...options }))) {
          return ExitCode.refused;
        }
        const answer = await client.power(server, { verb, ...options });
        await session.print(answer, () => `${server} power ${answer.power}`);
        if (verb !== 'status') sayNext(session, [`power ${server} status`, 'history']);
        return ExitCode.done;
      }),
    );
}

async function isSure(
  session: Session,
  client: ApiClient,
  { server, verb, force }: PowerOptions & { readonly server: string; readonly verb: Verb },
): Promise<boolean> {
  const standing = await client.server(server);
  // The daemon refuses it too; here it is said before anybody has to be sure.
  if (standing.keepsPower !== undefined && force !== true) {
    throw new MaintenanceError('run/refused', 'halt', standing.keepsPower);
  }
  for (const warning of warningsOf(standing)) session.warn(warning);
  return session.confirm(`Power ${verb} ${server}? ${atStake(standing.pods)}`);
}

function atStake(pods: number | undefined): string {
  if (pods === undefined) return 'Whatever runs there is killed.';
  return pods === 0 ? 'No pod is on it.' : `The ${plural(pods, 'pod')} on it ${pods === 1 ? 'is' : 'are'} killed.`;
}

/** A server that a run halted at waits for a person with the console: nothing to warn of. */
function warningsOf({ name, runs }: ServerStanding): string[] {
  return runs.flatMap(({ runId, plan, stage }) => {
    const run = `run ${runId} (${plan})`;
    switch (stage) {
      case 'pending':
        return [`${run} has yet to come to ${name}`];
      case 'begun':
        return [`${run} has begun with ${name}`];
      case 'over':
      case 'elsewhere':
        return [`${run} is going on: pods that it has moved may be on ${name} now`];
      case 'halted':
        return [];
    }
  });
}
