/**
 * When a run would start and end, wave by wave, whether it fits its window, and where the times come from. Pure.
 *
 * A time is never shown without how sure it is: the p95 beside it, or that nobody has measured it.
 */
import { sayMoment } from '../../schedule/words.ts';
import type { Both, Forecast, PlanPreview, WavePreview } from '../../planner/preview.ts';
import type { Wave } from '../../workflow/definition.ts';
import { clean, count, duration, moment, plural, table, wrapSegments, type Cell, type View } from './text.ts';

export function forecastLines(preview: PlanPreview, view: View): string[] {
  const { forecast, nowMs } = preview;
  return [
    ...wrapSegments([opensText(forecast, nowMs), predictedText(forecast)], '', view.width),
    ...wrapSegments([fitsText(preview), sourceText(forecast)], '', view.width),
  ];
}

function opensText({ opening, fromMs }: Forecast, nowMs: number): string {
  if (!opening) return fromMs === undefined ? '' : 'no windows: it may start at any time';
  const { fromMs: opensMs, toMs, timeZone } = opening;
  if (opensMs <= nowMs) return `open until ${sayMoment(toMs, timeZone)}`;
  return `opens ${sayMoment(opensMs, timeZone)} for ${shortLength(toMs - opensMs)}`;
}

function predictedText({ fromMs, toMs, later }: Forecast): string {
  if (fromMs === undefined || !toMs || later.p50 > 0) return '';
  return `predicted ${either(toMs, (endMs) => shortLength(endMs - fromMs))}`;
}

function fitsText({ forecast, servers }: PlanPreview): string {
  const { opening, toMs, later, never, why } = forecast;
  const total = servers.filter(({ leftOut }) => !leftOut).length;
  if (never > 0) return `no, ${count(never)} of ${plural(total, 'server')} cannot start: ${clean(why ?? '')}`;
  if (!opening || !toMs) return '';
  if (later.p95 === 0) return `fits, ${shortLength(opening.toMs - toMs.p95)} to spare`;
  const end = `the last one ends about ${sayMoment(toMs.p50, opening.timeZone)}`;
  if (later.p50 > 0) return `no, ${either(later, count)} of ${plural(total, 'server')} wait for a later window; ${end}`;
  return `just fits; where servers are slow, ${count(later.p95)} of ${plural(total, 'server')} wait for a later window`;
}

/** Both where they differ: `4h 12m (p95 4h 58m)`. */
function either<T>({ p50, p95 }: Both<T>, say: (value: T) => string): string {
  const [usual, slow] = [say(p50), say(p95)];
  return usual === slow ? usual : `${usual} (p95 ${slow})`;
}

function sourceText({ sources }: Forecast): string {
  const measured = sources.filter(({ takes }) => takes.measured > 0);
  const stated = sources.find(({ takes }) => takes.measured === 0);
  const groups = measured.map(({ takes }) => `measured on ${plural(takes.measured, 'server')} (${clean(takes.group)})`);
  const shown = groups.length > 2 ? [...groups.slice(0, 2), `and ${plural(groups.length - 2, 'group')} more`] : groups;
  if (!stated) return shown.join(', ');
  const length = shortLength(stated.takes.p50Ms);
  const who = measured.length > 0 ? `for ${plural(stated.servers, 'server')} ` : '';
  return [...shown, `${who}${length} each assumed, not measured yet`].join(', ');
}

export function waveTable({ definition, waves, forecast }: PlanPreview, view: View): string[] {
  // Times of day beside each other are read from the beginning of the run, in the time of its window.
  const there = {
    ...view,
    nowMs: forecast.fromMs ?? view.nowMs,
    timeZone: forecast.opening?.timeZone ?? view.timeZone,
  };
  const at = (atMs: number | undefined): string => (atMs === undefined ? 'never' : moment(atMs, there));
  const isSure = waves.every(({ toMs }) => !toMs || at(toMs.p50) === at(toMs.p95));
  const rows = waves.map((wave, index): Cell[] => {
    const isLast = index === waves.length - 1;
    const written = definition.waves[index];
    return [
      { text: String(index + 1) },
      { text: count(wave.servers) },
      { text: count(wave.atOnce) },
      { text: at(wave.fromMs) },
      { text: wave.toMs ? at(wave.toMs.p50) : '' },
      ...(isSure ? [] : [{ text: wave.toMs ? at(wave.toMs.p95) : '' }]),
      { text: [whyOf(wave), isLast || !written ? '' : thenOf(written)].filter((part) => part !== '').join('; ') },
    ];
  });
  return table(
    [
      { title: 'wave', align: 'right' },
      { title: 'servers', align: 'right' },
      { title: 'at once', align: 'right' },
      { title: 'from' },
      { title: 'to' },
      ...(isSure ? [] : [{ title: 'p95' }]),
      { title: 'why not more at once', flexible: true },
    ],
    rows,
    view,
  );
}

function whyOf({ servers, atOnce, limit }: WavePreview): string {
  if (servers === 0) return 'all left out';
  if (limit !== '') return limit;
  return atOnce === servers && servers > 1 ? 'all of it' : '';
}

function thenOf(wave: Wave): string {
  const soak = wave.soakMs > 0 ? `${shortLength(wave.soakMs)} soak` : '';
  const parts = [soak, wave.approval ? 'approval' : ''].filter((part) => part !== '');
  return parts.length === 0 ? '' : `then ${parts.join(', then ')}`;
}

/** `30m` rather than `30m 00s`: plans are written in whole units. */
export function shortLength(lengthMs: number): string {
  return duration(lengthMs).replace(/ 00?[smh]$/, '');
}
