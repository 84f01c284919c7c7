/** What changed between two looks at a run, one line per change: what a log of a watch shows. Pure. */
import type { RebalanceView, RunView, ServerRow } from '../../workflow/run-view.ts';
import { isEnded, isActive, rebalanceSegments, rebalanceTitle, titleOf, whatOf } from './status.ts';
import { byName, clean, clockSeconds, duration, type View } from './text.ts';

export function renderChanges(before: RunView | undefined, after: RunView, view: View): string[] {
  const rows = new Map(before?.servers.map((row) => [row.name, row]));
  const servers = [...after.servers]
    .sort((a, b) => byName(a.name, b.name))
    .flatMap((row) => changesOf(rows.get(row.name), row).map((text) => `${row.name}  ${text}`));
  const time = clockSeconds(view.nowMs, view.timeZone);
  return [...runChanges(before, after), ...servers].map((text) => `${time}  ${clean(text)}`);
}

function runChanges(before: RunView | undefined, after: RunView): string[] {
  const { counts, waves, wave, hold } = after;
  const lines: string[] = [];
  if (!before) lines.push(`run ${after.runId} · ${titleOf(after)} · ${counts.done} of ${counts.total} done`);
  if (waves > 1 && before?.wave !== wave && !isEnded(after)) lines.push(`wave ${wave + 1} of ${waves}`);
  if (before && before.status !== after.status) {
    lines.push(`run ${after.status}${after.reason === '' ? '' : `: ${after.reason}`}`);
  }
  if (JSON.stringify(before?.hold) !== JSON.stringify(hold) && !isEnded(after)) {
    if (hold.kind === 'waiting') lines.push(`run waits: ${hold.text}`);
    if (hold.kind === 'blocked') lines.push(`run blocked: ${hold.by}`);
  }
  return [...lines, ...rebalanceChanges(before?.rebalance, after.rebalance)];
}

function rebalanceChanges(before: RebalanceView | undefined, after: RebalanceView | undefined): string[] {
  if (!after || after.hasEnded === before?.hasEnded) {
    return after && after.doing !== '' && after.doing !== before?.doing
      ? [`${rebalanceTitle(after)}: ${after.doing}`]
      : [];
  }
  const reason = after.reason === '' ? '' : `: ${after.reason}`;
  return [`${rebalanceTitle(after)} · ${rebalanceSegments(after).join(' · ')}${reason}`];
}

function changesOf(before: ServerRow | undefined, after: ServerRow): string[] {
  if (before?.phase !== after.phase) return after.phase === 'pending' ? [] : [phaseText(after)];
  if (!isActive(after.phase)) return [];
  const isSameHold = JSON.stringify(before.hold) === JSON.stringify(after.hold);
  const isSameError = before.lastError?.count === after.lastError?.count;
  // What it is doing changes all the time; only what holds it up or fails is worth a line.
  if (isSameHold && isSameError) return [];
  if (after.hold.kind === 'none' && !isSameHold) return [`${after.phase} goes on`];
  // A hold hides what failed meanwhile: the same words are told once.
  return whatOf(before) === whatOf(after) ? [] : [`${after.phase}  ${whatOf(after)}`];
}

function phaseText(row: ServerRow): string {
  if (row.endedMs === undefined) return row.hold.kind === 'none' ? row.phase : `${row.phase}  ${whatOf(row)}`;
  const took = row.startedMs === undefined ? '' : ` in ${duration(row.endedMs - row.startedMs)}`;
  return `${row.phase}${took}${row.reason === '' ? '' : `: ${row.reason}`}`;
}
