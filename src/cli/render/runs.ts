/** The runs there are or were, one line each, the newest first. Pure. */
import type { RunView } from '../../workflow/run-view.ts';
import type { Style } from './paint.ts';
import { isEnded, titleOf } from './status.ts';
import { count, day, duration, moment, table, type Cell, type View } from './text.ts';

export function renderRuns(runs: readonly RunView[], view: View): string {
  if (runs.length === 0) return 'no runs yet; `pitcrew start PLAN` starts one';
  const rows = [...runs]
    .sort(byNewest)
    .map((run): Cell[] => [
      { text: run.runId },
      { text: titleOf(run) },
      { text: run.status, style: styleOfStatus(run) },
      { text: `${count(run.counts.done)}/${count(run.counts.total)}` },
      { text: run.counts.failed > 0 ? count(run.counts.failed) : '', style: 'alarm' },
      { text: `${day(run.createdMs, view.timeZone)} ${moment(run.createdMs, { ...view, nowMs: run.createdMs })}` },
      { text: duration((run.endedMs ?? view.nowMs) - run.createdMs) },
    ]);
  const lines = table(
    [
      { title: 'run' },
      { title: 'plan', flexible: true },
      { title: 'status' },
      { title: 'done', align: 'right' },
      { title: 'failed', align: 'right' },
      { title: 'started' },
      { title: 'for', align: 'right' },
    ],
    rows,
    view,
  );
  return lines.join('\n');
}

export function byNewest(a: RunView, b: RunView): number {
  return b.createdMs - a.createdMs || (a.runId < b.runId ? 1 : -1);
}

function styleOfStatus(run: RunView): Style {
  if (run.status === 'halted') return 'alarm';
  if (run.status === 'done') return 'green';
  return isEnded(run) ? 'dim' : 'cyan';
}
