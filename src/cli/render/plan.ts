/** What a plan would do, before it does anything: waves, ways of the pods, blockers and whom to ask. Pure. */
import type { PlanPreview, PodPreview } from '../../planner/preview.ts';
import type { RunDefinition, Wave } from '../../workflow/definition.ts';
import { paint } from './paint.ts';
import {
  byName,
  clean,
  count,
  duration,
  fit,
  pad,
  plural,
  shortCommit,
  table,
  widthOf,
  wrapSegments,
  type Cell,
  type View,
} from './text.ts';

export function renderPlan(preview: PlanPreview, view: View): string {
  const { definition, pods, warnings } = preview;
  const segments = [
    definition.plan,
    definition.playbook,
    plural(definition.servers.length, 'server'),
    definition.commit === undefined
      ? `documents ${definition.digest.slice(0, 7)}`
      : `commit ${shortCommit(definition.commit)}`,
  ];
  const [first = '', ...rest] = wrapSegments(segments.map(clean), '', view.width);
  return [
    paint(first, 'bold', view.color),
    ...rest,
    '',
    ...waveTable(definition, view),
    '',
    ...podLines(pods, view),
    ...rebalanceLine(definition, view),
    ...blockerLines(pods, view),
    ...warningLines(warnings, view),
  ].join('\n');
}

/** Every pod of one server, and what would become of it. */
export function renderExplanation(preview: PlanPreview, server: string, view: View): string {
  const pods = preview.pods.filter((pod) => pod.server === server).sort((a, b) => byName(a.pod, b.pod));
  if (pods.length === 0) return `no pods on ${server} that the plan knows of`;
  const podWidth = Math.min(32, Math.max(...pods.map(({ pod }) => widthOf(clean(pod)))));
  return pods
    .flatMap(({ pod, verdict, how, owner }) =>
      wrapSegments(
        [clean(how), owner === '' ? '' : `owner: ${clean(owner)}`],
        ` ${pad(fit(clean(pod), podWidth), podWidth)}  ${pad(verdict, 'blocked'.length)}  `,
        view.width,
      ),
    )
    .join('\n');
}

function waveTable(definition: RunDefinition, view: View): string[] {
  const rows = definition.waves.map((wave, index): Cell[] => {
    const { atOnce, why } = limitOf(wave, definition);
    return [
      { text: String(index + 1) },
      { text: count(wave.servers.length) },
      { text: count(atOnce) },
      { text: why },
      { text: index === definition.waves.length - 1 ? 'the end' : thenOf(wave) },
      { text: wave.servers.join(', ') },
    ];
  });
  return table(
    [
      { title: 'wave', align: 'right' },
      { title: 'servers', align: 'right' },
      { title: 'at once', align: 'right' },
      { title: 'why not more' },
      { title: 'then' },
      { title: 'which', flexible: true },
    ],
    rows,
    view,
  );
}

function limitOf(wave: Wave, definition: RunDefinition): { atOnce: number; why: string } {
  const { maxUnavailable, maxParallel } = definition;
  const atOnce = Math.min(wave.servers.length, maxUnavailable, maxParallel);
  if (atOnce === wave.servers.length) return { atOnce, why: 'all of the wave' };
  return { atOnce, why: maxParallel < maxUnavailable ? `maxParallel ${maxParallel}` : `budget ${maxUnavailable}` };
}

function thenOf(wave: Wave): string {
  const soak = wave.soakMs > 0 ? `${shortLength(wave.soakMs)} soak` : '';
  return [soak, wave.approval ? 'approval' : ''].filter((part) => part !== '').join(', then ') || 'the next';
}

/** `30m` rather than `30m 00s`: plans are written in whole units. */
function shortLength(lengthMs: number): string {
  return duration(lengthMs).replace(/ 00?[smh]$/, '');
}

function podLines(pods: readonly PodPreview[], view: View): string[] {
  const of = (verdict: PodPreview['verdict']): PodPreview[] => pods.filter((pod) => pod.verdict === verdict);
  const summary = [
    `${count(of('moves').length)} move`,
    `${count(of('stays').length)} stay`,
    of('waits').length > 0 ? `${count(of('waits').length)} waited for` : '',
    of('blocked').length > 0 ? `${count(of('blocked').length)} blocked` : '',
  ];
  const ways = byHow(of('moves')).map(([how, number]) => `${count(number)} ${how}`);
  return [
    ...wrapSegments(summary, ' pods  ', view.width),
    ...(ways.length > 0 ? wrapSegments(ways, ' how   ', view.width) : []),
  ];
}

function rebalanceLine({ rebalance }: RunDefinition, view: View): string[] {
  if (!rebalance || rebalance.policy === 'none') return [];
  const what = rebalance.policy === 'spread' ? 'evens out the servers' : 'pods go back alive to where they were';
  const limits = [`at most ${plural(rebalance.maxMoves, 'move')}`, `at most ${shortLength(rebalance.timeoutMs)}`];
  return wrapSegments([what, ...limits], ' then  ', view.width);
}

/** Ways and how many pods go each, the most used first. */
function byHow(pods: readonly PodPreview[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { how } of pods) counts.set(clean(how), (counts.get(clean(how)) ?? 0) + 1);
  return [...counts].sort(([a, many], [b, more]) => more - many || byName(a, b));
}

function blockerLines(pods: readonly PodPreview[], view: View): string[] {
  const blocked = pods
    .filter((pod) => pod.verdict === 'blocked')
    .sort((a, b) => byName(a.server, b.server) || byName(a.pod, b.pod));
  if (blocked.length === 0) return [];
  const serverWidth = Math.max(...blocked.map(({ server }) => widthOf(clean(server))));
  const lines = blocked.flatMap(({ server, pod, how, owner }) => [
    ...wrapSegments([clean(pod)], ` ${pad(clean(server), serverWidth)}  `, view.width),
    ...wrapSegments(
      [clean(how), owner === '' ? '' : `owner: ${clean(owner)}`],
      ' '.repeat(serverWidth + 5),
      view.width,
    ),
  ]);
  return ['', paint(` blockers ${count(blocked.length)}`, 'alarm', view.color), ...lines];
}

function warningLines(warnings: readonly string[], view: View): string[] {
  if (warnings.length === 0) return [];
  const lines = warnings.flatMap((warning) => wrapSegments([clean(warning)], '  ', view.width));
  return ['', paint(` warnings ${count(warnings.length)}`, 'yellow', view.color), ...lines];
}
