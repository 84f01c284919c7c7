/** `pitcrew windows [PLAN]`: what opens when, in local time and UTC, and why an opening is no use. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Run } from '../session.ts';
import { renderWindows } from '../render/windows.ts';

export function addWindows(program: Command, run: Run): void {
  program
    .command('windows')
    .argument('[plan]', 'name of the plan (default: all of them)')
    .description('what opens when, and why an opening is suppressed')
    .action((plan: string | undefined, _options: unknown, command: Command) =>
      run(command, async (session) => {
        const client = await session.client();
        const plans = await client.windows(plan);
        await session.print(plans, () => renderWindows(plans, session.view()));
        for (const notice of new Set(plans.flatMap(({ notices }) => notices ?? []))) session.warn(notice);
        return ExitCode.done;
      }),
    );
}
