/**
 * A rehearsed run as a picture: servers as rows, their stages as bars under the band of the window. One SVG without
 * anything from outside, for light and dark pages, readable without colour by its patterns. Pure.
 */
import {
  sessionsOf,
  stageBars,
  stageOf,
  stages,
  ticksOf,
  type Session,
  type Stage,
  type StageBar,
} from '../../rehearsal/chart.ts';
import type { Rehearsal, RehearsedServer } from '../../rehearsal/result.ts';
import { clean, clockSeconds, day, duration, fit, plural } from './text.ts';

const width = 1200;
const margin = 28;
const titleHeight = 86;
const axisHeight = 34;
const legendHeight = 54;
const gap = 30;
const tookWidth = 86;

interface Look {
  readonly label: string;
  readonly light: string;
  readonly dark: string;
  /** Drawn over the colour in the colour of the page. */
  readonly pattern: string;
}

/** Colours that people with any kind of colour vision tell apart (Okabe and Ito), and a pattern each besides. */
const looks: Readonly<Record<Stage, Look>> = {
  prepare: { label: 'prepare', light: '#8b97a8', dark: '#7d8899', pattern: '<circle cx="3" cy="3" r="1.1"/>' },
  evacuate: { label: 'evacuate', light: '#e69f00', dark: '#e8a824', pattern: '<path d="M0 6 6 0"/>' },
  service: { label: 'service', light: '#56b4e9', dark: '#56b4e9', pattern: '' },
  reboot: { label: 'reboot', light: '#7a5ea8', dark: '#a48bd0', pattern: '<path d="M0 3h6"/>' },
  return: { label: 'verify and return', light: '#009e73', dark: '#1fb88c', pattern: '<path d="M3 0v6"/>' },
  undo: { label: 'undo', light: '#cc4778', dark: '#e07ba0', pattern: '<path d="M0 0 6 6M0 6 6 0"/>' },
};

export function renderGantt(rehearsal: Rehearsal, viewTimeZone: string): string {
  const timeZone = rehearsal.timeZone ?? viewTimeZone;
  const sessions = sessionsOf(rehearsal);
  const row = rehearsal.servers.length > 60 ? 13 : 20;
  let top = margin + titleHeight;
  const panels: string[] = [];
  for (const session of sessions) {
    const frame = frameOf(session, rehearsal, row, top, timeZone);
    panels.push(panel(session, rehearsal, frame));
    top = frame.bottom + gap;
  }
  const height = top + legendHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escape(`${rehearsal.plan}, rehearsed`)}</title>`,
    `<desc id="description">${escape(describe(rehearsal, timeZone))}</desc>`,
    `<style>${styles()}</style>`,
    `<defs>${patterns()}</defs>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    heading(rehearsal, timeZone),
    ...panels,
    legend(rehearsal, top),
    '</svg>',
    '',
  ].join('\n');
}

function fills(theme: 'light' | 'dark'): string {
  return stages.map((stage) => `.${stage}{fill:${looks[stage][theme]}}`).join('');
}

function styles(): string {
  const plain =
    'text{font-family:ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif;font-size:12px}' +
    '.mono{font-family:ui-monospace,"DejaVu Sans Mono",monospace}.end{text-anchor:end}.middle{text-anchor:middle}' +
    '.title{font-size:22px;font-weight:650}.small{font-size:10.5px}.bad{font-weight:650}';
  const light =
    '.page{fill:#fff}text{fill:#1d2530}.soft{fill:#5d6a7a}.grid{stroke:#dde3ea}.edge{stroke:#8b97a8}' +
    '.window{fill:#eef6f2}.rest{fill:#fff;fill-opacity:.65}.stripe{fill:#1d2530;fill-opacity:.028}.over{fill:none;stroke:#fff;stroke-opacity:.55}' +
    '.dots{fill:#fff;fill-opacity:.6}.blackout{stroke:#5d6a7a}.bad{fill:#b3261e}.cross{stroke:#b3261e}.good{fill:#00704f}';
  const dark =
    '.page{fill:#14181f}text{fill:#e6ebf2}.soft{fill:#9aa7b8}.grid{stroke:#2a323d}.edge{stroke:#66738a}' +
    '.window{fill:#17251f}.rest{fill:#14181f;fill-opacity:.6}.stripe{fill:#fff;fill-opacity:.03}.over{fill:none;stroke:#14181f;stroke-opacity:.5}' +
    '.dots{fill:#14181f;fill-opacity:.55}.blackout{stroke:#9aa7b8}.bad{fill:#ff8a80}.cross{stroke:#ff8a80}.good{fill:#5fd3a8}';
  return `${plain}${light}${fills('light')}@media (prefers-color-scheme:dark){${dark}${fills('dark')}}`;
}

function patterns(): string {
  const over = stages
    .filter((stage) => looks[stage].pattern !== '')
    .map((stage) => {
      const kind = stage === 'prepare' ? 'dots' : 'over';
      return `<pattern id="over-${stage}" width="6" height="6" patternUnits="userSpaceOnUse"><g class="${kind}">${looks[stage].pattern}</g></pattern>`;
    });
  const hatch =
    '<pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse"><path class="blackout" d="M0 8 8 0" stroke-opacity=".5"/></pattern>';
  return [...over, hatch].join('');
}

interface Frame {
  readonly left: number;
  readonly right: number;
  /** Of the rows. */
  readonly top: number;
  readonly bottom: number;
  readonly row: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly timeZone: string;
  readonly xOf: (atMs: number) => number;
}

function frameOf(session: Session, rehearsal: Rehearsal, row: number, top: number, timeZone: string): Frame {
  const longest = Math.max(...rehearsal.servers.map(({ name }) => clean(name).length));
  const left = margin + Math.min(200, 34 + longest * 7.4);
  const right = width - margin - tookWidth;
  const lengthMs = session.toMs - session.fromMs;
  // Some air at both ends, and the closing edge of the window where it is near.
  const shut = rehearsal.windows.find(({ fromMs, toMs }) => fromMs <= session.toMs && session.toMs <= toMs)?.toMs;
  const isNear = shut !== undefined && shut - session.toMs < lengthMs / 2;
  const fromMs = session.fromMs - lengthMs * 0.01;
  const toMs = (isNear ? shut : session.toMs) + lengthMs * 0.015;
  const rowsTop = top + axisHeight;
  return {
    left,
    right,
    top: rowsTop,
    bottom: rowsTop + Math.max(1, session.servers.length) * row + 4,
    row,
    fromMs,
    toMs,
    timeZone,
    xOf: (atMs) => left + ((Math.min(Math.max(atMs, fromMs), toMs) - fromMs) / (toMs - fromMs)) * (right - left),
  };
}

function panel(session: Session, rehearsal: Rehearsal, frame: Frame): string {
  const { left, top, bottom, timeZone } = frame;
  const days = day(session.fromMs, timeZone);
  return [
    '<g>',
    ...windowBands(rehearsal, frame),
    ...session.servers.map((_server, index) => stripe(index, frame)),
    ...axis(frame),
    text(margin, top - 10, days, 'soft small'),
    ...waveMarks(session, frame),
    ...restBands(rehearsal, frame),
    ...session.servers.map((server, index) => serverRow(server, index, session, frame)),
    ...blackoutBands(rehearsal, frame),
    line(left, bottom, frame.right, bottom, 'edge'),
    '</g>',
  ].join('\n');
}

function overlaps({ fromMs, toMs }: { fromMs: number; toMs: number }, frame: Frame): boolean {
  return fromMs < frame.toMs && toMs > frame.fromMs;
}

function windowBands({ windows }: Rehearsal, frame: Frame): string[] {
  const { top, bottom, xOf } = frame;
  return windows
    .filter((window) => overlaps(window, frame))
    .flatMap(({ fromMs, toMs }) => {
      const [from, to] = [xOf(fromMs), xOf(toMs)];
      const shuts =
        toMs < frame.toMs
          ? [
              line(to, top - 20, to, bottom, 'edge', 'stroke-dasharray="4 3"'),
              text(to - 4, top - 24, `shuts ${clockSeconds(toMs, frame.timeZone).slice(0, 5)}`, 'soft small end'),
            ]
          : [];
      return [rect(from, top - 20, to - from, bottom - top + 20, 'window'), ...shuts];
    });
}

/** Over the rows: nothing may begin in it, and what goes on shows through. */
function blackoutBands({ blackouts }: Rehearsal, frame: Frame): string[] {
  const { top, bottom, xOf } = frame;
  return blackouts
    .filter((span) => overlaps(span, frame))
    .flatMap(({ fromMs, toMs, reason }) => {
      const [from, to] = [xOf(fromMs), xOf(toMs)];
      return [
        `<rect x="${n(from)}" y="${n(top - 20)}" width="${n(to - from)}" height="${n(bottom - top + 20)}" fill="url(#hatch)"><title>${escape(reason)}</title></rect>`,
        text((from + to) / 2, top - 24, fit(clean(reason), 30), 'soft small middle'),
      ];
    });
}

/** Why nothing goes on although the window is open: a soak between two waves. */
function restBands({ waits }: Rehearsal, frame: Frame): string[] {
  const { top, bottom, xOf } = frame;
  return waits
    .filter((wait) => wait.for === 'soak' && overlaps(wait, frame))
    .flatMap(({ fromMs, toMs }) => {
      const [from, to] = [xOf(fromMs), xOf(toMs)];
      const label = `soak ${duration(toMs - fromMs)}`;
      if (to - from < 12) return [];
      const x = (from + to) / 2;
      const isWide = to - from > label.length * 7;
      return [
        rect(from, top, to - from, bottom - top, 'rest'),
        ...(isWide ? [text(x, bottom - 6, label, 'soft small middle')] : []),
      ];
    });
}

function stripe(index: number, { left, right, top, row }: Frame): string {
  return index % 2 === 0 ? '' : rect(left, top + index * row, right - left, row, 'stripe');
}

function axis({ fromMs, toMs, left, right, top, bottom, timeZone, xOf }: Frame): string[] {
  return ticksOf(fromMs, toMs, Math.floor((right - left) / 90), timeZone).flatMap((tick) => {
    const x = xOf(tick);
    return [
      line(x, top - 6, x, bottom, 'grid'),
      text(x, top - 10, clockSeconds(tick, timeZone).slice(0, 5), 'soft mono middle'),
    ];
  });
}

/** A number where another wave begins, and a line before it. */
function waveMarks({ servers }: Session, { right, top, row }: Frame): string[] {
  return servers.flatMap((server, index) => {
    if (index > 0 && servers[index - 1]?.wave === server.wave) return [];
    const y = top + index * row;
    return [
      ...(index > 0 ? [line(margin, y, right, y, 'edge', 'stroke-dasharray="1 3"')] : []),
      text(margin, y + row * 0.72, `W${server.wave + 1}`, 'soft small'),
    ];
  });
}

function serverRow(server: RehearsedServer, index: number, session: Session, frame: Frame): string {
  const { left, right, top, row, xOf } = frame;
  const y = top + index * row;
  const isBad = server.outcome !== 'done';
  const bars = stageBars(server.bars).filter((bar) => bar.fromMs < session.toMs && bar.toMs > session.fromMs);
  const firstX = xOf(bars[0]?.fromMs ?? session.fromMs);
  const lastX = xOf(bars.at(-1)?.toMs ?? session.toMs);
  const size = row < 16 ? 'small' : '';
  return [
    text(left - 12, y + row * 0.72, fit(clean(server.name), 26), `mono end ${size} ${isBad ? 'bad' : ''}`),
    ...bars.map((bar) => drawBar(bar, y, frame, server)),
    ...(isBad
      ? [
          cross(lastX + 9, y + row / 2),
          failure(server, { from: left, first: firstX, last: lastX, to: right }, y + row * 0.72, size),
        ]
      : []),
    text(
      right + tookWidth,
      y + row * 0.72,
      isBad ? server.outcome : tookOf(server),
      `mono end ${size} ${isBad ? 'bad' : 'soft'}`,
    ),
  ].join('\n');
}

function tookOf({ startedMs = 0, endedMs = 0 }: RehearsedServer): string {
  return duration(endedMs - startedMs);
}

function drawBar(bar: StageBar, y: number, { row, xOf, timeZone }: Frame, server: RehearsedServer): string {
  const [from, to] = [xOf(bar.fromMs), xOf(bar.toMs)];
  // What is over in seconds still shows.
  const length = Math.max(1.2, to - from);
  const place = `x="${n(from)}" y="${n(y + row * 0.16)}" width="${n(length)}" height="${n(row * 0.68)}" rx="1.5"`;
  const says = `${server.name}: ${looks[bar.stage].label} ${clockSeconds(bar.fromMs, timeZone)} to ${clockSeconds(bar.toMs, timeZone)}, ${duration(bar.toMs - bar.fromMs)}`;
  const over = looks[bar.stage].pattern === '' ? '' : `<rect ${place} fill="url(#over-${bar.stage})"/>`;
  return `<g><title>${escape(says)}</title><rect class="${bar.stage}" ${place}/>${over}</g>`;
}

function cross(x: number, y: number): string {
  return `<path class="cross" stroke-width="2" d="M${n(x - 4)} ${n(y - 4)}l8 8m0-8l-8 8"/>`;
}

interface Place {
  readonly from: number;
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/** The reason behind the bars or before them, wherever there is more room. */
function failure(server: RehearsedServer, { from, first, last, to }: Place, y: number, size: string): string {
  const isBehind = to - last > first - from;
  const letters = Math.floor(((isBehind ? to - last - 24 : first - from - 12) * (size === '' ? 1 : 1.14)) / 7.2);
  if (letters < 12) return '';
  const says = fit(clean(server.reason || server.outcome), letters);
  return isBehind ? text(last + 20, y, says, `bad ${size}`) : text(first - 8, y, says, `bad end ${size}`);
}

function heading(rehearsal: Rehearsal, timeZone: string): string {
  const { plan, startMs, endMs, outcome } = rehearsal;
  const when = (atMs: number): string => `${day(atMs, timeZone)} ${clockSeconds(atMs, timeZone).slice(0, 5)}`;
  const facts = [
    plural(rehearsal.servers.length, 'server'),
    `${when(startMs)} to ${when(endMs)} ${timeZone}`,
    duration(endMs - startMs),
    `${plural(rehearsal.podsMoved, 'pod')} moved`,
  ];
  const asked = rehearsal.faults.map(({ server, fault }) => `${server}:${fault}`).join(', ');
  const says = outcome === 'done' ? 'would end done' : `would end ${outcome}: ${clean(rehearsal.reason)}`;
  return [
    text(margin, margin + 18, `${clean(plan)}, rehearsed`, 'title'),
    text(margin, margin + 42, facts.join(' · '), 'soft'),
    text(margin, margin + 62, fit(says, 150), outcome === 'done' ? 'good' : 'bad'),
    asked === '' ? '' : text(width - margin, margin + 18, fit(`made to go wrong: ${asked}`, 70), 'soft end'),
    text(width - margin, margin + 42, `twin of ${when(rehearsal.takenMs)} · seed ${rehearsal.seed}`, 'soft end'),
  ].join('\n');
}

function describe(rehearsal: Rehearsal, timeZone: string): string {
  const done = rehearsal.servers.filter(({ outcome }) => outcome === 'done').length;
  const from = `${day(rehearsal.startMs, timeZone)} ${clockSeconds(rehearsal.startMs, timeZone).slice(0, 5)}`;
  return `Timeline of a rehearsed maintenance run from ${from}: ${done} of ${rehearsal.servers.length} servers done, ${rehearsal.outcome}.`;
}

function legend({ servers, windows, blackouts }: Rehearsal, top: number): string {
  const seen = new Set(servers.flatMap(({ bars }) => bars.map(({ phase }) => stageOf(phase))));
  const y = top + 16;
  let x = margin;
  const parts: string[] = [];
  const add = (swatch: string, label: string): void => {
    parts.push(swatch, text(x + 28, y + 10, label, 'soft'));
    x += 28 + label.length * 7 + 24;
  };
  for (const stage of stages.filter((one) => seen.has(one))) {
    const place = `x="${n(x)}" y="${y}" width="20" height="12" rx="1.5"`;
    const over = looks[stage].pattern === '' ? '' : `<rect ${place} fill="url(#over-${stage})"/>`;
    add(`<rect class="${stage}" ${place}/>${over}`, looks[stage].label);
  }
  if (windows.length > 0) add(`<rect class="window edge" x="${n(x)}" y="${y}" width="20" height="12"/>`, 'window open');
  if (blackouts.length > 0) add(`<rect x="${n(x)}" y="${y}" width="20" height="12" fill="url(#hatch)"/>`, 'blackout');
  if (servers.some(({ outcome }) => outcome !== 'done')) add(cross(x + 10, y + 6), 'did not end well');
  return parts.join('\n');
}

function text(x: number, y: number, content: string, classes: string): string {
  return `<text x="${n(x)}" y="${n(y)}" class="${classes.trim().replaceAll(/ +/g, ' ')}">${escape(content)}</text>`;
}

function rect(x: number, y: number, w: number, h: number, classes: string): string {
  return `<rect x="${n(x)}" y="${n(y)}" width="${n(Math.max(0, w))}" height="${n(h)}" class="${classes}"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, classes: string, more = ''): string {
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" class="${classes}" ${more}/>`;
}

function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Names and reasons are other people's words: in a picture they stay words. */
function escape(content: string): string {
  return clean(content)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
