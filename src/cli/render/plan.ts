/** What a plan would do, before it does anything: waves, ways of the pods, blockers and whom to ask. Pure. */
import type { PlanPreview, PodPreview } from '../../planner/preview.ts';
import type { RunDefinition } from '../../workflow/definition.ts';
import { forecastLines, shortLength, waveTable } from './forecast.ts';
import { paint } from './paint.ts';
import { byName, clean, count, pad, plural, shortCommit, widthOf, wrapSegments, type View } from './text.ts';

export function renderPlan(preview: PlanPreview, view: View): string {
  const { definition, servers, warnings } = preview;
  const leftOut = servers.filter((server) => server.leftOut).length;
  const segments = [
    definition.plan,
    definition.playbook,
    `${plural(definition.servers.length, 'server')} match${definition.servers.length === 1 ? 'es' : ''}`,
    leftOut > 0 ? `${count(leftOut)} left out` : '',
    definition.commit === undefined
      ? `documents ${definition.digest.slice(0, 7)}`
      : `commit ${shortCommit(definition.commit)}`,
  ];
  const [first = '', ...rest] = wrapSegments(segments.map(clean), '', view.width);
  return [
    paint(first, 'bold', view.color),
    ...rest,
    ...forecastLines(preview, view),
    '',
    ...waveTable(preview, view),
    '',
    ...podLines(preview.pods, view),
    ...rebalanceLine(definition, view),
    ...blockerLines(preview, view),
    ...warningLines(warnings, view),
  ].join('\n');
}

function podLines(pods: readonly PodPreview[], view: View): string[] {
  const of = (verdict: PodPreview['verdict']): PodPreview[] => pods.filter((pod) => pod.verdict === verdict);
  const moving = of('moves');
  const others = [
    `${count(of('stays').length)} stay`,
    of('waits').length > 0 ? `${count(of('waits').length)} waited for` : '',
    of('blocked').length > 0 ? `${count(of('blocked').length)} blocked` : '',
  ];
  const passedOver = tally(
    moving.filter(({ notAlive }) => notAlive !== undefined),
    ({ notAlive }) => notAlive ?? '',
  );
  const width = Math.max(5, count(moving.length).length);
  const line = (title: string, number: string, segments: readonly string[]): string[] =>
    segments.length === 0 ? [] : wrapSegments(segments, ` ${pad(title, 12)}  ${pad(number, width)}  `, view.width);
  return [
    ...line('pods to move', count(moving.length), tally(moving, sayWay)),
    ...line(
      'they keep',
      '',
      tally(moving, ({ promise }) => promise ?? ''),
    ),
    ...line('not alive', '', topTwo(passedOver)),
    ...line('other pods', '', others),
  ];
}

function rebalanceLine({ rebalance }: RunDefinition, view: View): string[] {
  if (!rebalance || rebalance.policy === 'none') return [];
  const what = rebalance.policy === 'spread' ? 'evens out the servers' : 'pods go back alive to where they were';
  const limits = [`at most ${plural(rebalance.maxMoves, 'move')}`, `at most ${shortLength(rebalance.timeoutMs)}`];
  return wrapSegments([what, ...limits], ` ${pad('afterwards', 12)}  `, view.width);
}

function sayWay({ way, mover }: PodPreview): string {
  return way === 'live' ? `alive by ${mover}` : way === 'surge' ? 'surge' : 'restart';
}

/** There are as many reasons as ways to write a pod; `--explain` has them all. */
function topTwo(reasons: readonly string[]): string[] {
  const more = reasons.length - 2;
  return [...reasons.slice(0, 2), ...(more > 0 ? [`${plural(more, 'other reason')} (--explain SERVER)`] : [])];
}

/** What is said of the pods and of how many, the most frequent first. */
function tally(pods: readonly PodPreview[], say: (pod: PodPreview) => string): string[] {
  const counts = new Map<string, number>();
  for (const pod of pods) counts.set(clean(say(pod)), (counts.get(clean(say(pod))) ?? 0) + 1);
  return [...counts]
    .sort(([a, many], [b, more]) => more - many || byName(a, b))
    .map(([text, number]) => `${text} ${count(number)}`);
}

/** Every server that is left out, with each pod that keeps it from being emptied. */
function blockerLines({ servers, pods }: PlanPreview, view: View): string[] {
  const leftOut = servers.filter((server) => server.leftOut).sort((a, b) => byName(a.name, b.name));
  if (leftOut.length === 0) return [];
  const blocked = Map.groupBy(
    pods.filter(({ verdict }) => verdict === 'blocked').sort((a, b) => byName(a.pod, b.pod)),
    ({ server }) => server,
  );
  const nameWidth = Math.max(...leftOut.map(({ name }) => widthOf(clean(name))));
  const lines = leftOut.flatMap(({ name, leftOut: why }) => {
    const lead = ` ${pad(clean(name), nameWidth)}  `;
    const own = blocked.get(name);
    if (!own) return wrapSegments([clean(why?.because ?? '')], lead, view.width);
    return own.flatMap(({ pod, how, owner }, index) => [
      ...wrapSegments([clean(pod)], index === 0 ? lead : ' '.repeat(lead.length), view.width),
      ...wrapSegments(
        [clean(how), owner === '' ? '' : `ask the owner of ${clean(owner)}`],
        ' '.repeat(lead.length + 2),
        view.width,
      ),
    ]);
  });
  const them = leftOut.length === 1 ? 'this server is' : `these ${count(leftOut.length)} servers are`;
  return [
    '',
    paint(` blockers ${count(leftOut.length)}`, 'alarm', view.color),
    ...lines,
    ` ${them} left out of the run`,
  ];
}

function warningLines(warnings: readonly string[], view: View): string[] {
  if (warnings.length === 0) return [];
  const lines = warnings.flatMap((warning) => wrapSegments([clean(warning)], '  ', view.width));
  return ['', paint(` warnings ${count(warnings.length)}`, 'yellow', view.color), ...lines];
}
