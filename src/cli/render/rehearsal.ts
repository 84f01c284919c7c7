/** A rehearsed run on a terminal: when, how well, a row per server under a time axis, and what would go wrong. Pure. */
import {
  sessionsOf,
  spareMs,
  stageBars,
  stageOf,
  stages,
  ticksOf,
  type Session,
  type Stage,
} from '../../rehearsal/chart.ts';
import type { Rehearsal, RehearsedServer, Wait } from '../../rehearsal/result.ts';
import { paint, type Style } from './paint.ts';
import {
  clean,
  clockSeconds,
  count,
  day,
  duration,
  fit,
  pad,
  plural,
  widthOf,
  wrapSegments,
  type View,
} from './text.ts';
import { sayTried } from './tried.ts';

/** Told apart without colour: each has a letter of its own. */
const looks: Readonly<Record<Stage, { readonly mark: string; readonly style: Style | undefined }>> = {
  prepare: { mark: '·', style: 'dim' },
  evacuate: { mark: 'e', style: 'yellow' },
  service: { mark: 's', style: 'cyan' },
  reboot: { mark: 'R', style: 'bold' },
  return: { mark: 'v', style: 'green' },
  undo: { mark: 'u', style: 'red' },
};

export function renderRehearsal(rehearsal: Rehearsal, view: View): string {
  const zone = { ...view, timeZone: rehearsal.timeZone ?? view.timeZone };
  const sessions = sessionsOf(rehearsal);
  return [
    ...headLines(rehearsal, zone),
    ...sessions.flatMap((session) => ['', ...chartLines(session, zone)]),
    '',
    legendLine(rehearsal),
    ...troubleLines(rehearsal, zone),
    ...leftOutLines(rehearsal, zone),
    ...waitLines(rehearsal, zone),
    ...assumptionLines(rehearsal, zone),
  ].join('\n');
}

function headLines(rehearsal: Rehearsal, view: View): string[] {
  const { plan, playbook, servers, startMs, endMs, takenMs, seed } = rehearsal;
  const when = (atMs: number): string => `${day(atMs, view.timeZone)} ${minute(atMs, view)}`;
  const [first = '', ...rest] = wrapSegments(
    [plan, playbook, plural(servers.length, 'server'), 'rehearsed', `twin of ${when(takenMs)}`, `seed ${seed}`],
    '',
    view.width,
  );
  const took = duration(endMs - startMs);
  return [
    paint(first, 'bold', view.color),
    ...rest,
    ...wrapSegments(
      [`${when(startMs)} to ${when(endMs)} ${view.timeZone}`, took, verdictOf(rehearsal)],
      '',
      view.width,
    ),
    ...wrapSegments(totalsOf(rehearsal), '', view.width),
  ];
}

function verdictOf(rehearsal: Rehearsal): string {
  const { outcome, fitsWindow, servers, windows } = rehearsal;
  const done = servers.filter((server) => server.outcome === 'done').length;
  if (outcome !== 'done') return `${outcome}: ${done} of ${servers.length} servers done`;
  if (fitsWindow === undefined) return 'all done';
  const spare = spareMs(rehearsal);
  if (fitsWindow && spare !== undefined) return `fits the window, ${duration(spare)} to spare`;
  return windows.length > 1 ? `all done, in ${windows.length} windows` : 'all done, and not inside the window';
}

function totalsOf({ servers, podsMoved, faults }: Rehearsal): string[] {
  const done = servers.filter(({ outcome }) => outcome === 'done');
  const lengths = done.map((server) => ({ name: server.name, ms: (server.endedMs ?? 0) - (server.startedMs ?? 0) }));
  const longest = lengths.sort((a, b) => b.ms - a.ms)[0];
  const median = lengths[Math.floor(lengths.length / 2)];
  return [
    `${count(podsMoved)} ${podsMoved === 1 ? 'pod' : 'pods'} moved`,
    median ? `a server takes ${duration(median.ms)}` : '',
    longest && longest.ms > (median?.ms ?? 0) ? `the longest ${duration(longest.ms)} (${longest.name})` : '',
    ...faults.map(({ server, fault, says }) => `on request ${server}:${fault}, ${says}`),
  ];
}

function minute(atMs: number, { timeZone }: View): string {
  return clockSeconds(atMs, timeZone).slice(0, 5);
}

function chartLines(session: Session, view: View): string[] {
  const nameWidth = Math.min(24, Math.max(6, ...session.servers.map(({ name }) => widthOf(clean(name)))));
  const tookWidth = 8;
  // Wave, name and length stand around the bars, with two blanks between.
  const room = Math.max(20, view.width - 1 - 4 - 2 - nameWidth - 2 - 2 - tookWidth);
  const { fromMs, toMs } = session;
  const columnOf = (atMs: number): number => ((atMs - fromMs) / Math.max(1, toMs - fromMs)) * room;
  const axis = axisLine(ticksOf(fromMs, toMs, Math.floor(room / 9), view.timeZone), columnOf, room, view);
  const head = ` ${pad('wave', 4)}  ${pad('server', nameWidth)}  ${pad(axis, room)}  ${pad('took', tookWidth, 'right')}`;
  return [
    paint(head.trimEnd(), 'dim', view.color),
    ...session.servers.map((server) => {
      const lead = ` ${pad(String(server.wave + 1), 4, 'right')}  ${pad(fit(clean(server.name), nameWidth), nameWidth)}`;
      return `${lead}  ${barLine(server, columnOf, room, view)}  ${tookOf(server, view, tookWidth)}`.trimEnd();
    }),
  ];
}

function axisLine(ticks: readonly number[], columnOf: (atMs: number) => number, room: number, view: View): string {
  let line = '';
  for (const tick of ticks) {
    const at = Math.floor(columnOf(tick));
    if (at >= line.length && at + 5 <= room) line = `${pad(line, at)}${minute(tick, view)} `;
  }
  return line.trimEnd();
}

/** Each column shows the stage that had most of its time; one that is over in no time still shows. */
function barLine(server: RehearsedServer, columnOf: (atMs: number) => number, room: number, view: View): string {
  const cells = Array.from<Stage | undefined>({ length: room });
  const shares = Array.from({ length: room }, () => 0);
  for (const { stage, fromMs, toMs } of stageBars(server.bars)) {
    const [from, to] = [columnOf(fromMs), columnOf(toMs)];
    for (let at = Math.max(0, Math.floor(from)); at < Math.min(room, Math.max(to, Math.floor(from) + 1)); at += 1) {
      const share = Math.min(to, at + 1) - Math.max(from, at);
      if (share <= (shares[at] ?? 0)) continue;
      shares[at] = share;
      cells[at] = stage;
    }
  }
  let line = '';
  for (let at = 0; at < room;) {
    const stage = cells[at];
    let end = at + 1;
    while (end < room && cells[end] === stage) end += 1;
    line +=
      stage === undefined
        ? ' '.repeat(end - at)
        : paint(looks[stage].mark.repeat(end - at), looks[stage].style, view.color);
    at = end;
  }
  return line;
}

function tookOf(server: RehearsedServer, view: View, width: number): string {
  if (server.outcome !== 'done') return paint(pad(server.outcome, width, 'right'), 'alarm', view.color);
  return pad(duration((server.endedMs ?? 0) - (server.startedMs ?? 0)), width, 'right');
}

function legendLine({ servers }: Rehearsal): string {
  const seen = new Set(servers.flatMap(({ bars }) => bars.map(({ phase }) => stageOf(phase))));
  const words: Readonly<Record<Stage, string>> = {
    prepare: 'prepare',
    evacuate: 'evacuate',
    service: 'service',
    reboot: 'reboot',
    return: 'verify and return',
    undo: 'undo',
  };
  return ` ${stages
    .filter((stage) => seen.has(stage))
    .map((stage) => `${looks[stage].mark} ${words[stage]}`)
    .join('   ')}`;
}

function troubleLines(rehearsal: Rehearsal, view: View): string[] {
  const { servers, outcome, reason, leftDown } = rehearsal;
  const failed = servers.filter(({ outcome: end }) => end === 'halted' || end === 'undone' || end === 'unfinished');
  const never = servers.filter((server) => server.outcome === 'waiting');
  if (failed.length + never.length === 0 && outcome === 'done') return [];
  const width = Math.max(0, ...failed.map(({ name }) => widthOf(clean(name))));
  return [
    '',
    paint(` what would go wrong: ${outcome}`, 'alarm', view.color),
    ...wrapSegments([clean(reason)], '  ', view.width),
    ...failed.flatMap((server) => [
      ...wrapSegments(
        [`${server.outcome}: ${clean(server.reason)}`],
        `  ${pad(clean(server.name), width)}  `,
        view.width,
      ),
      ...(server.tried.length > 0
        ? wrapSegments(
            sayTried(server.tried, ({ text, atMs }) => `${text} ${minute(atMs, view)}`),
            `  ${' '.repeat(width)}  `,
            view.width,
          )
        : []),
    ]),
    ...(never.length > 0
      ? wrapSegments(
          [`${plural(never.length, 'server')} would never start: ${never.map(({ name }) => name).join(', ')}`],
          '  ',
          view.width,
        )
      : []),
    ...(leftDown.length > 0 ? wrapSegments([`left out of service: ${leftDown.join(', ')}`], '  ', view.width) : []),
  ];
}

/** Shorter than this, waiting is a part of the work. */
const shownMsMin = 60_000;
const shownMax = 5;

/** Of what was waited for, the longest first; what belongs to the plan (soak, approval) is no trouble. */
/** Of these it is known beforehand that they could not be emptied. */
function leftOutLines({ servers }: Rehearsal, view: View): string[] {
  const skipped = servers.filter(({ outcome }) => outcome === 'skipped');
  if (skipped.length === 0) return [];
  const width = Math.max(...skipped.map(({ name }) => widthOf(clean(name))));
  return [
    '',
    paint(` left out ${count(skipped.length)}`, 'yellow', view.color),
    ...skipped.flatMap(({ name, reason }) =>
      wrapSegments([clean(reason)], `  ${pad(clean(name), width)}  `, view.width),
    ),
  ];
}

function waitLines({ servers, waits }: Rehearsal, view: View): string[] {
  const named: { name: string; wait: Wait }[] = [
    ...waits.map((wait) => ({ name: 'the run', wait })),
    ...servers.flatMap(({ name, waits: own }) => own.map((wait) => ({ name, wait }))),
  ];
  const long = named
    .filter(({ wait }) => wait.toMs - wait.fromMs >= shownMsMin && wait.for !== 'soak' && wait.for !== 'approval')
    .sort((a, b) => b.wait.toMs - b.wait.fromMs - (a.wait.toMs - a.wait.fromMs));
  if (long.length === 0) return [];
  const shown = long.slice(0, shownMax);
  const width = Math.max(...shown.map(({ name }) => widthOf(clean(name))));
  return [
    '',
    paint(` waited ${plural(long.length, 'time')} for more than a minute`, 'yellow', view.color),
    ...shown.flatMap(({ name, wait }) =>
      wrapSegments(
        [`${duration(wait.toMs - wait.fromMs)} from ${minute(wait.fromMs, view)}`, `${wait.for}: ${clean(wait.text)}`],
        `  ${pad(clean(name), width)}  `,
        view.width,
      ),
    ),
  ];
}

function assumptionLines({ assumptions, assumedCommands }: Rehearsal, view: View): string[] {
  return [
    '',
    paint(' taken for granted', 'dim', view.color),
    ...assumptions.flatMap((text) => wrapSegments([clean(text)], '  ', view.width)),
    ...assumedCommands.flatMap(({ step, line }) =>
      wrapSegments(
        [`${step} succeeds: ${fit(clean(line), Math.max(20, view.width - 16 - step.length))}`],
        '  ',
        view.width,
      ),
    ),
  ];
}
