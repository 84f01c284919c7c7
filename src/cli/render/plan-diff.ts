/** What a plan would do differently from its last run. Pure. */
import type { PlanDiff } from '../../planner/plan-diff.ts';
import { byName, clean, count, pad, widthOf, wrapSegments, type View } from './text.ts';

export function renderPlanDiff({ runId, added, removed, changes }: PlanDiff, view: View): string {
  const rows = [
    ...names('servers added', added),
    ...names('servers gone', removed),
    ...changes.map(({ what, before, now }) => ({ what, text: `${clean(before)} → ${clean(now)}` })),
  ];
  if (rows.length === 0) return `nothing is different from run ${clean(runId)}`;
  const width = Math.max(...rows.map(({ what }) => widthOf(clean(what))));
  return [
    `different from run ${clean(runId)}`,
    '',
    ...rows.flatMap(({ what, text }) => wrapSegments([text], ` ${pad(clean(what), width)}  `, view.width)),
  ].join('\n');
}

function names(what: string, list: readonly string[]): { what: string; text: string }[] {
  return list.length === 0
    ? []
    : [{ what, text: `${count(list.length)}: ${list.toSorted(byName).map(clean).join(', ')}` }];
}
