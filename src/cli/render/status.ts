/**
 * One run, as a person sees it: a head, a bar, what every active server is doing, and, for each halted one, what was
 * tried, what is true and what to do.
 *
 * Pure: the view and the place to draw in, in; text out.
 */
import { errorCodes, isErrorCode } from '../../errors/codes.ts';
import { unreachable } from '../../errors/maintenance-error.ts';
import type { Phase } from '../../workflow/definition.ts';
import type { RebalanceView, RunView, ServerRow } from '../../workflow/run-view.ts';
import { paint, type Style } from './paint.ts';
import {
  byName,
  clean,
  clockSeconds,
  count,
  duration,
  fit,
  moment,
  plural,
  shortCommit,
  table,
  wrapSegments,
  type Cell,
  type View,
} from './text.ts';
import { sayTried } from './tried.ts';

export interface StatusOptions {
  /** Also the servers that have not started and those that have ended. */
  readonly all?: boolean;
  /** Lines to keep within, where the screen has no more. */
  readonly linesMax?: number;
}

export function renderStatus(run: RunView, view: View, options: StatusOptions = {}): string {
  const head = [...headLines(run, view), barLine(run, view), ...holdLines(run, view), ...rebalanceLines(run, view)];
  const halted = run.servers
    .filter((row) => needsPerson(run, row))
    .sort((a, b) => byName(a.name, b.name))
    .flatMap((row) => ['', ...haltedLines(run, row, view)]);
  const last = options.all ? [] : lastLines(run, view);
  const room = (options.linesMax ?? Number.POSITIVE_INFINITY) - head.length - halted.length - last.length - 3;
  const rows = run.servers.filter((row) => options.all || isActive(row.phase)).sort(byUrgency);
  return [...head, ...serverTable(rows, Math.max(1, room), view), ...last, ...halted].join('\n');
}

export function isActive(phase: Phase): boolean {
  return !['pending', 'done', 'undone', 'halted', 'skipped'].includes(phase);
}

export function isEnded(run: RunView): boolean {
  return !['running', 'paused', 'stopping'].includes(run.status);
}

/** What the run is about, in a few words. */
export function titleOf(run: RunView): string {
  return clean(run.purpose === 'maintenance' ? run.plan : `${run.purpose} ${run.plan}`);
}

function needsPerson(run: RunView, row: ServerRow): boolean {
  // After a stop, "undone" is what was asked for.
  return row.phase === 'halted' || (row.phase === 'undone' && run.status !== 'undone' && run.status !== 'stopping');
}

function headLines(run: RunView, view: View): string[] {
  const { total, done, failed, skipped } = run.counts;
  const waiting = run.servers.filter((row) => isActive(row.phase) && row.hold.kind !== 'none').length;
  const segments = [
    `run ${run.runId}`,
    titleOf(run),
    run.commit === undefined ? '' : `commit ${shortCommit(run.commit)}`,
    ...statusSegments(run),
    `${count(done)} of ${count(total)} done`,
    failed > 0 ? `${count(failed)} failed` : '',
    skipped > 0 ? `${count(skipped)} skipped` : '',
    waiting > 0 ? `${count(waiting)} waiting` : '',
    run.podsMoved > 0 ? `${plural(run.podsMoved, 'pod')} moved` : '',
    run.endedMs === undefined ? '' : `took ${duration(run.endedMs - run.createdMs)}`,
    isEnded(run) ? '' : endsText(run.endsAboutMs, view),
  ];
  const [first = '', ...rest] = wrapSegments(segments, '', view.width);
  return [paint(first, 'bold', view.color), ...rest];
}

const soonMs = 5_000;
const nearMs = 10 * 60_000;

/** A time of day says nothing about the next minutes. */
function endsText(endsAboutMs: number | undefined, view: View): string {
  if (endsAboutMs === undefined) return '';
  const leftMs = endsAboutMs - view.nowMs;
  if (leftMs < soonMs) return 'ends soon';
  return leftMs < nearMs ? `ends in about ${duration(leftMs)}` : `ends about ${moment(endsAboutMs, view)}`;
}

function statusSegments(run: RunView): string[] {
  const wave = run.waves > 1 ? `wave ${Math.min(run.wave + 1, run.waves)} of ${run.waves}` : '';
  switch (run.status) {
    case 'running':
      return [wave];
    case 'paused':
      return ['PAUSED', wave];
    case 'stopping':
      return ['STOPPING', wave];
    case 'done':
    case 'undone':
    case 'halted':
    case 'skipped':
      return [run.status.toUpperCase()];
    default:
      return unreachable(run.status);
  }
}

const barWidthMax = 42;

function barLine(run: RunView, view: View): string {
  const { total, done, skipped } = run.counts;
  const share = total === 0 ? 1 : (done + skipped) / total;
  const width = Math.max(4, Math.min(barWidthMax, view.width - 8));
  const filled = Math.floor(share * width);
  const bar = paint('█'.repeat(filled), 'green', view.color) + paint('░'.repeat(width - filled), 'dim', view.color);
  return `${bar}  ${Math.floor(share * 100)} %`;
}

function holdLines(run: RunView, view: View): string[] {
  const lines = (lead: string, text: string): string[] => wrapSegments([clean(text)], lead, view.width);
  if (isEnded(run)) return run.reason === '' ? [] : lines(' ', run.reason);
  switch (run.hold.kind) {
    case 'none':
      return [];
    case 'paused':
      return lines(' paused by ', `${run.hold.by}; \`pitcrew resume ${run.runId}\` goes on`);
    case 'waiting':
      return wrapSegments([clean(run.hold.text), givesUpText(run.givesUpMs, view)], ' waiting: ', view.width);
    case 'blocked':
      return lines(' blocked: ', run.hold.by);
    default:
      return unreachable(run.hold);
  }
}

function givesUpText(givesUpMs: number | undefined, view: View): string {
  return givesUpMs === undefined ? '' : `gives up ${moment(givesUpMs, view)}`;
}

function rebalanceLines({ rebalance }: RunView, view: View): string[] {
  if (!rebalance) return [];
  const segments = [...rebalanceSegments(rebalance), rebalance.doing, rebalance.reason];
  return wrapSegments(segments.map(clean), ` ${rebalanceTitle(rebalance)}: `, view.width);
}

export function rebalanceTitle({ policy, hasEnded }: RebalanceView): string {
  if (policy === 'return') return hasEnded ? 'returned pods' : 'returning pods';
  return hasEnded ? 'rebalanced' : 'rebalancing';
}

/** `before 62 points`, `after 14 points`, `7 moves`. */
export function rebalanceSegments({ before, now, moved, failed, movesMax, hasEnded }: RebalanceView): string[] {
  const moves = hasEnded ? plural(moved, 'move') : `${count(moved)} of at most ${plural(movesMax, 'move')}`;
  return [
    `before ${pointsText(before.points)}`,
    `${hasEnded ? 'after' : 'now'} ${pointsText(now.points)}`,
    moves,
    failed > 0 ? `${count(failed)} failed` : '',
  ].filter((part) => part !== '');
}

function pointsText(points: number): string {
  return plural(Math.round(points), 'point');
}

/** Those at work first, the longest in their phase on top; then what has ended, then what has not begun. */
function byUrgency(a: ServerRow, b: ServerRow): number {
  const bySince = isActive(a.phase) && isActive(b.phase) ? a.sinceMs - b.sinceMs : 0;
  return rank(a.phase) - rank(b.phase) || bySince || byName(a.name, b.name);
}

function rank(phase: Phase): number {
  if (phase === 'halted') return 0;
  if (isActive(phase)) return 1;
  return phase === 'pending' ? 3 : 2;
}

function serverTable(rows: readonly ServerRow[], rowsMax: number, view: View): string[] {
  if (rows.length === 0) return [];
  const shown = rows.length > rowsMax ? rows.slice(0, Math.max(1, rowsMax - 1)) : rows;
  const lines = table(
    [
      { title: 'server' },
      { title: 'phase' },
      { title: 'for', align: 'right' },
      { title: 'what is going on', flexible: true },
    ],
    shown.map((row): Cell[] => [
      { text: row.name },
      { text: row.phase, style: styleOf(row.phase) },
      { text: isActive(row.phase) ? duration(view.nowMs - row.sinceMs) : '' },
      { text: whatOf(row), style: row.hold.kind === 'none' || !isActive(row.phase) ? undefined : 'yellow' },
    ]),
    view,
  );
  const hidden = rows.length - shown.length;
  return ['', ...lines, ...(hidden > 0 ? [` … and ${plural(hidden, 'more server')}`] : [])];
}

function styleOf(phase: Phase): Style | undefined {
  switch (phase) {
    case 'pending':
    case 'skipped':
      return 'dim';
    case 'halted':
      return 'alarm';
    case 'undoing':
    case 'undone':
    case 'servicing':
    case 'rebooting':
      return 'yellow';
    case 'done':
    case 'returning':
    case 'verifying':
      return 'green';
    case 'preparing':
    case 'cordoning':
    case 'evacuating':
    case 'rejoining':
      return 'cyan';
    default:
      return unreachable(phase);
  }
}

/** One line: the hold where there is one, else what is being done, and the last error while it is being retried. */
export function whatOf(row: ServerRow): string {
  // A hold may outlive the end; the reason of the end says more.
  if (!isActive(row.phase)) return row.reason;
  switch (row.hold.kind) {
    case 'paused':
      return `paused by ${row.hold.by}`;
    case 'waiting':
      return `waiting: ${row.hold.text}`;
    case 'blocked':
      return `blocked: ${row.hold.by}`;
    case 'none':
      return [failureOf(row), row.doing].filter((part) => part !== '').join(' · ');
    default:
      return unreachable(row.hold);
  }
}

function failureOf({ lastError, doing }: ServerRow): string {
  if (!lastError) return '';
  const failed = `failed ${plural(lastError.count, 'time')}`;
  return doing.includes(lastError.message) ? failed : `${failed}, last: ${lastError.message}`;
}

function awayOf(row: ServerRow): string {
  return `${count(row.pods.moved)} of ${plural(row.pods.toMove, 'pod')} away`;
}

/** The server that ended last: it tells how long the others will take. */
function lastLines(run: RunView, view: View): string[] {
  const [last] = run.servers
    .filter((row) => row.endedMs !== undefined && row.phase !== 'halted' && !needsPerson(run, row))
    .sort((a, b) => (b.endedMs ?? 0) - (a.endedMs ?? 0) || byName(a.name, b.name));
  if (last?.endedMs === undefined) return [];
  const took = last.startedMs === undefined ? '' : ` in ${duration(last.endedMs - last.startedMs)}`;
  // The two longest phases say where the time went; a line has no room for more.
  const [, second = 0] = Object.values(last.phaseMs).sort((a, b) => b - a);
  const parts = Object.entries(last.phaseMs)
    .filter(([, lengthMs]) => lengthMs >= Math.max(second, 1_000))
    .map(([phase, lengthMs]) => `${phase} ${duration(lengthMs)}`);
  const detail = last.phase === 'done' ? parts.join(' · ') : clean(last.reason);
  const at = clockSeconds(last.endedMs, view.timeZone);
  const text = ` last: ${at} ${last.name} ${last.phase}${took}${detail === '' ? '' : ` (${detail})`}`;
  return ['', fit(text, view.width)];
}

/** What a tired person needs: what happened, what was tried, what is true now, what to do. */
function haltedLines(run: RunView, row: ServerRow, view: View): string[] {
  const word = row.phase.toUpperCase();
  const [title = '', ...more] = wrapSegments([row.name, clean(row.reason)], `${word} `, view.width);
  const tried = sayTried(row.tried, ({ atMs, text }) => `${clockSeconds(atMs, view.timeZone)} ${text}`);
  const code = row.lastError?.code ?? '';
  const wasCordoned = row.phase === 'halted' && 'cordoning' in row.phaseMs && !('returning' in row.phaseMs);
  const isCordoned = wasCordoned && code !== 'node/cordon-lifted';
  const facts = [
    row.pods.toMove > 0 ? awayOf(row) : '',
    isCordoned ? `the node stays cordoned (owner: run ${run.runId})` : '',
    row.phase === 'halted' ? 'it keeps its place in the budget' : '',
  ].filter((fact) => fact !== '');
  const advice = isErrorCode(code) ? errorCodes[code].next : '';
  const commands = ['retry', 'skip'].map((verb) => `\`pitcrew ${verb} ${run.runId} ${row.name}\``);
  return [
    paint(title, 'alarm', view.color),
    ...more,
    ...(tried.length > 0 ? wrapSegments(tried, ' tried: ', view.width) : []),
    ...(facts.length > 0 ? wrapSegments(facts, ' now:   ', view.width) : []),
    ...wrapSegments([advice, ...commands], ' next:  ', view.width),
  ];
}
