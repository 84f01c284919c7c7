/** `pitcrew plan PLAN`: what a run would do if it started now. Changes nothing. */
import { Option, type Command } from 'commander';
import type { ApiClient } from '../../api/client.ts';
import { ExitCode } from '../../errors/codes.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { diffPlans, type PlanDiff } from '../../planner/plan-diff.ts';
import type { PlanPreview } from '../../planner/preview.ts';
import { checkOffline, documentsOption, readOffline, snapshotOption, type OfflineOptions } from '../offline.ts';
import { UsageError } from '../io.ts';
import type { Run } from '../session.ts';
import { renderExplanation } from '../render/explanation.ts';
import { renderPlan } from '../render/plan.ts';
import { renderPlanDiff } from '../render/plan-diff.ts';
import { sayNext } from './requested.ts';

export function addPlan(program: Command, run: Run): void {
  program
    .command('plan')
    .argument('<plan>', 'name of the plan')
    .option('--explain <server>', 'every pod of this server: how it would move, or why it cannot')
    .addOption(
      new Option('--diff', 'what would be different from the last run of this plan').conflicts(['snapshot', 'explain']),
    )
    .option(...snapshotOption)
    .option(...documentsOption)
    .description('preview of a run: waves, how the pods move, what blocks them')
    .action((plan: string, options: OfflineOptions & { explain?: string; diff?: boolean }, command: Command) =>
      run(command, async (session) => {
        const { explain } = options;
        checkOffline(options);
        const { snapshot } = options;
        const preview =
          snapshot === undefined
            ? await (await session.client()).preview(plan)
            : (await readOffline(session, plan, snapshot, options, session.io.nowMs())).preview;
        if (options.diff === true) {
          const diff = await diffWithLast(await session.client(), preview);
          await session.print(diff, () => renderPlanDiff(diff, session.view()));
          return ExitCode.done;
        }
        if (explain !== undefined) mustHave(preview, explain);
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

/** @throws UsageError naming the servers that there are */
function mustHave({ definition, servers }: PlanPreview, name: string): void {
  if (servers.some((server) => server.name === name)) return;
  const names = servers.map((server) => server.name);
  const shown = names.slice(0, 12).join(', ');
  const more = names.length > 12 ? ` and ${names.length - 12} more` : '';
  throw new UsageError(`the plan ${definition.plan} has no server ${name}`, `there are: ${shown}${more}`);
}

/** @throws `api/not-found` where the plan has never run. */
async function diffWithLast(client: ApiClient, { definition }: PlanPreview): Promise<PlanDiff> {
  const runs = (await client.runs()).filter(
    ({ plan, purpose }) => plan === definition.plan && purpose === 'maintenance',
  );
  const last = runs.toSorted((a, b) => b.createdMs - a.createdMs)[0];
  if (!last) throw new MaintenanceError('api/not-found', 'halt', `the plan ${definition.plan} has never run`);
  const entries = await client.history(last.runId);
  const created = entries.find(({ event }) => event.kind === 'runCreated')?.event;
  if (created?.kind !== 'runCreated') {
    throw new MaintenanceError('api/not-found', 'halt', `the journal of run ${last.runId} does not say how it began`);
  }
  return diffPlans(created.definition, definition);
}
