/** What opens when: each plan with its coming openings, local and UTC, and why one of them is no use. Pure. */
import type { OpeningView, PlanWindows } from '../../engine/operations.ts';
import { unreachable } from '../../errors/maintenance-error.ts';
import { sayMoment } from '../../schedule/words.ts';
import { paint, type Style } from './paint.ts';
import { clean, duration, table, wrapSegments, type Cell, type View } from './text.ts';

export function renderWindows(plans: readonly PlanWindows[], view: View): string {
  if (plans.length === 0) return 'no plans';
  return plans.map((plan) => renderPlan(plan, view).join('\n')).join('\n\n');
}

function renderPlan(plan: PlanWindows, view: View): string[] {
  const segments = [plan.plan, plan.startAutomatically ? 'starts by itself' : 'started by `pitcrew start`'];
  if (plan.estimateMs !== undefined) segments.push(`a server is estimated at ${length(plan.estimateMs)}`);
  const [first = '', ...rest] = wrapSegments(segments.map(clean), '', view.width);
  const head = [paint(first, 'bold', view.color), ...rest, ...wrapSegments([sayNow(plan, view)], '', view.width)];
  return plan.openings.length === 0 ? head : [...head, '', ...openingTable(plan, view)];
}

function sayNow(plan: PlanWindows, view: View): string {
  const next = sayNext(plan, view);
  switch (plan.state) {
    case 'always':
      return 'no windows: it runs at any time';
    case 'open': {
      const untilMs = plan.untilMs ?? view.nowMs;
      const until = `open until ${sayMoment(untilMs, plan.timeZone ?? 'UTC')}, ${length(untilMs - view.nowMs)} left`;
      return plan.nextStartMs === view.nowMs || plan.nextStartMs === undefined ? until : `${until}; ${next}`;
    }
    case 'blackout':
      return `shut by a blackout; ${next}`;
    case 'shut':
      return `shut; ${next}`;
    default:
      return unreachable(plan.state);
  }
}

function sayNext({ nextStartMs, timeZone }: PlanWindows, view: View): string {
  if (nextStartMs === undefined) return 'no server can start within ten years';
  if (nextStartMs <= view.nowMs) return 'servers may start now';
  return `servers may start ${sayMoment(nextStartMs, timeZone ?? 'UTC')}, in ${length(nextStartMs - view.nowMs)}`;
}

function openingTable({ openings }: PlanWindows, view: View): string[] {
  const rows = openings.map((opening): Cell[] => [
    { text: sayMoment(opening.fromMs, opening.timeZone) },
    { text: opening.opensAtUtc.replace('T', ' ').replace('Z', '') },
    { text: length(opening.toMs - opening.fromMs) },
    { text: remark(opening), style: styles[opening.state] },
  ]);
  return table(
    [{ title: 'opens' }, { title: 'in UTC' }, { title: 'for', align: 'right' }, { title: '', flexible: true }],
    rows,
    view,
  );
}

const styles: Readonly<Record<OpeningView['state'], Style | undefined>> = {
  begun: 'green',
  coming: undefined,
  suppressed: 'yellow',
  tooShort: 'yellow',
};

function remark({ state, open, blackouts }: OpeningView): string {
  const reasons = [...new Set(blackouts.map(({ reason }) => reason))].join(', ');
  const leftMs = open.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  switch (state) {
    case 'suppressed':
      return `suppressed: ${reasons}`;
    case 'tooShort':
      return blackouts.length === 0 ? 'too short for a server' : `too short, ${length(leftMs)} left: ${reasons}`;
    case 'begun':
    case 'coming': {
      const shorter = blackouts.length === 0 ? '' : `${length(leftMs)} left: ${reasons}`;
      return [state === 'begun' ? 'open' : '', shorter].filter((part) => part !== '').join(', ');
    }
    default:
      return unreachable(state);
  }
}

/** `6h` rather than `6h 00m`: plans are written in whole units. */
function length(lengthMs: number): string {
  return duration(lengthMs).replace(/ 00?[smh]$/, '');
}
