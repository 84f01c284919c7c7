/** `pitcrew plan PLAN`: what a run would do if it started now. Changes nothing. */
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import { checkOffline, documentsOption, readOffline, snapshotOption, type OfflineOptions } from '../offline.ts';
import type { Run } from '../session.ts';
import { renderExplanation } from '../render/explanation.ts';
import { renderPlan } from '../render/plan.ts';
import { sayNext } from './requested.ts';

export function addPlan(program: Command, run: Run): void {
  program
    .command('plan')
    .argument('<plan>', 'name of the plan')
    .option('--explain <server>', 'every pod of this server: how it would move, or why it cannot')
    .option(...snapshotOption)
    .option(...documentsOption)
    .description('preview of a run: waves, how the pods move, what blocks them')
    .action((plan: string, options: OfflineOptions & { explain?: string }, command: Command) =>
      run(command, async (session) => {
        const { explain } = options;
        checkOffline(options);
        const { snapshot } = options;
        const preview =
          snapshot === undefined
            ? await (await session.client()).preview(plan)
            : (await readOffline(session, plan, snapshot, options, session.io.nowMs())).preview;
        await session.print(preview, () =>
          explain === undefined
            ? renderPlan(preview, session.view())
            : renderExplanation(preview, explain, session.view()),
        );
        if (session.format !== 'text' || explain !== undefined) return ExitCode.done;
        const [blocked] = preview.pods.filter(({ verdict }) => verdict === 'blocked');
        sayNext(session, [...(blocked ? [`plan ${plan} --explain ${blocked.server}`] : []), `start ${plan} --watch`]);
        return ExitCode.done;
      }),
    );
}
