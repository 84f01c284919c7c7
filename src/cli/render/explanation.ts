/** Every pod of one server, and what would become of it. Pure. */
import type { PlanPreview, PodPreview, ServerPreview } from '../../planner/preview.ts';
import { shortLength } from './forecast.ts';
import { byName, clean, fit, moment, pad, plural, widthOf, wrapSegments, type View } from './text.ts';

export function renderExplanation(preview: PlanPreview, server: string, view: View): string {
  const known = preview.servers.find(({ name }) => name === server);
  if (!known) return `the plan ${clean(preview.definition.plan)} has no server ${clean(server)}`;
  const pods = preview.pods
    .filter((pod) => pod.server === server)
    .sort((a, b) => rank(a) - rank(b) || byName(a.pod, b.pod));
  const head = wrapSegments(
    [clean(server), ...headOf(known, preview, view), plural(pods.length, 'pod')],
    '',
    view.width,
  );
  const steps = stepLines(known, view);
  if (pods.length === 0) return [...head, ...steps].join('\n');
  const podWidth = Math.min(32, Math.max(...pods.map(({ pod }) => widthOf(clean(pod)))));
  const lines = pods.flatMap((pod) =>
    wrapSegments(
      segmentsOf(pod),
      ` ${pad(fit(clean(pod.pod), podWidth), podWidth)}  ${pad(pod.verdict, 'blocked'.length)}  `,
      view.width,
    ),
  );
  return [...head, ...steps, '', ...lines].join('\n');
}

/** What each step takes, with its p95 where that is another time; nothing where nobody has measured it. */
function stepLines({ steps }: ServerPreview, view: View): string[] {
  const segments = steps.map(({ step, p50Ms, p95Ms }) => {
    const [usual, slow] = [shortLength(p50Ms), shortLength(p95Ms)];
    return `${clean(step)} ${usual}${usual === slow ? '' : ` (p95 ${slow})`}`;
  });
  return segments.length === 0 ? [] : wrapSegments(segments, ' steps  ', view.width);
}

/** What is in the way first, then those that move in their order, then the rest. */
function rank({ verdict, order }: PodPreview): number {
  if (verdict === 'blocked') return Number.NEGATIVE_INFINITY;
  return verdict === 'moves' ? (order ?? 0) : Number.POSITIVE_INFINITY;
}

function headOf(server: ServerPreview, preview: PlanPreview, view: View): string[] {
  const { name, wave, leftOut, fromMs, toMs, takes } = server;
  // The pods that keep it say why themselves.
  const isSaidBelow = preview.pods.some((pod) => pod.server === name && pod.verdict === 'blocked');
  if (leftOut) return [isSaidBelow ? 'left out' : `left out: ${clean(leftOut.because)}`];
  const there = { ...view, timeZone: preview.forecast.opening?.timeZone ?? view.timeZone };
  if (fromMs === undefined || !toMs) return [`wave ${wave + 1}`, 'never starts'];
  const usual = moment(toMs.p50, there);
  const slow = moment(toMs.p95, there);
  const times = `${moment(fromMs, there)} to ${usual}${slow === usual ? '' : ` (p95 ${slow})`}`;
  if (!takes) return [`wave ${wave + 1}`, times];
  const source = takes.measured > 0 ? `measured on ${plural(takes.measured, 'server')}` : 'assumed, not measured yet';
  return [`wave ${wave + 1}`, times, `takes ${shortLength(takes.p50Ms)}, ${source}`];
}

function segmentsOf({ how, owner, target, predictedMs, order, notAlive, warnings }: PodPreview): string[] {
  return [
    clean(how),
    target === undefined ? '' : `to ${clean(target)}`,
    predictedMs === undefined ? '' : `about ${shortLength(predictedMs)}`,
    order === undefined || order === 0 ? '' : `order ${order}`,
    owner === '' ? '' : `ask the owner of ${clean(owner)}`,
    notAlive === undefined ? '' : `not alive: ${clean(notAlive)}`,
    ...warnings.map(clean),
  ];
}
