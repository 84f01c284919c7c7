/** `pitcrew doctor`: is everything reachable and allowed; exit code 1 if anything is not. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Run } from '../session.ts';
import { renderDoctor } from '../render/doctor.ts';

export function addDoctor(program: Command, run: Run): void {
  program
    .command('doctor')
    .description('is everything reachable and allowed: Kubernetes, Redis, movers, SSH and BMC of every server')
    .action((_options: unknown, command: Command) =>
      run(command, async (session) => {
        const client = await session.client();
        const findings = await client.doctor();
        await session.print(findings, () => renderDoctor(findings, session.view()));
        return findings.every(({ ok }) => ok) ? ExitCode.done : ExitCode.runFailed;
      }),
    );
}
