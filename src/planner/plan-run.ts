/**
 * The run that a plan would start now: assembled, with the predicted time of each server, and without those servers of
 * which it is known beforehand that they could not be emptied. Pure.
 *
 * A blocker that is found now would halt the run later, in the middle of the night; who is left out is said aloud, and
 * keeps its place in the list.
 */
import type { BudgetView } from '../cluster/budget.ts';
import type { NodeView } from '../cluster/node.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import type { ClusterView } from '../cluster/view.ts';
import type { MoveChoice, MoveOptions } from '../evacuation/move-options.ts';
import { judgePod, liveKeepsOf, type Verdict } from '../evacuation/verdict.ts';
import type { EvacuationPolicy } from '../spec/plan.ts';
import type { LeftOut, RunDefinition, RunServer } from '../workflow/definition.ts';
import { assembleRun, type AssembleInput } from './assemble.ts';
import { Capacity } from './capacity.ts';
import { withKeptRoom } from './kept-room.ts';
import { predictTimes, type LearnedTimes } from './times.ts';

export interface PlanRunInput extends Omit<AssembleInput, 'nodes'> {
  readonly view: ClusterView;
  readonly moves: MoveOptions;
  readonly learned: LearnedTimes;
}

export function planRun(input: PlanRunInput): RunDefinition {
  return planWithRoom(input).definition;
}

/** With the model by which it is known who finds room; as it was in the beginning. */
export function planWithRoom(input: PlanRunInput): { definition: RunDefinition; capacity: Capacity } {
  const definition = withoutBlocked(input);
  const { servers, evacuation } = definition;
  const ended = new Set(servers.filter(({ leftOut }) => leftOut).map(({ name }) => name));
  // Where pods go is told the same, however the nodes came.
  const nodes = input.view.nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const capacity = new Capacity({ view: { ...input.view, nodes }, servers, ended, evacuation });
  const crowded = new Map<string, string>();
  for (const wave of definition.waves) {
    const members = wave.servers.filter((name) => !ended.has(name));
    for (const [server, because] of capacity.impossible(members)) crowded.set(server, because);
  }
  capacity.reset();
  const room = (server: RunServer): RunServer => {
    const because = crowded.get(server.name);
    return because === undefined ? server : { ...server, leftOut: { because, owner: '' } };
  };
  return { definition: { ...definition, servers: servers.map(room) }, capacity };
}

function withoutBlocked(input: PlanRunInput): RunDefinition {
  const { view, learned } = input;
  const definition = assembleRun({ ...input, nodes: view.nodes });
  const podsOf = podsByNode(view);
  const budgets = budgetsByNamespace(view);
  const nodes = new Map(view.nodes.map((node) => [node.name, node]));
  const servers = definition.servers.map((server) => ({
    ...server,
    takes: predictTimes(learned, definition, server),
    leftOut:
      cordonedBy(nodes.get(server.node)) ??
      blockerOf(judgeMoves(podsOf.get(server.node) ?? [], budgets, definition.evacuation, input.moves)),
  }));
  return { ...definition, servers: withKeptRoom(servers, view) };
}

/** A pod and how it would leave, or why it does not. */
export interface PodForecast {
  readonly pod: PodView;
  readonly verdict: Verdict;
  /** Only for a pod that moves. */
  readonly choice?: MoveChoice | undefined;
}

/** As `judgeServer`, with the mover that would be taken. */
export function judgeMoves(
  pods: readonly PodView[],
  budgets: ReadonlyMap<string, readonly BudgetView[]>,
  policy: EvacuationPolicy,
  { closedFor, choose }: MoveOptions,
): PodForecast[] {
  return pods.map((pod) => {
    const verdict = judgePod(pod, budgets.get(pod.namespace) ?? [], policy, () => closedFor(pod));
    return {
      pod,
      verdict,
      choice: verdict.kind === 'moves' ? choose(pod, verdict.ways, liveKeepsOf(pod, policy)) : undefined,
    };
  });
}

/** Thousands of pods each against thousands of budgets would take long; a budget is only ever about its own namespace. */
export function budgetsByNamespace({ budgets }: Pick<ClusterView, 'budgets'>): Map<string, BudgetView[]> {
  return Map.groupBy(budgets, ({ namespace }) => namespace);
}

/** Sorted by name, so that whatever is said about them does not depend on the order in which they came. */
export function podsByNode({ pods }: Pick<ClusterView, 'pods'>): Map<string, PodView[]> {
  const byNode = Map.groupBy(pods, ({ node }) => node);
  for (const list of byNode.values()) list.sort((a, b) => (podKey(a) < podKey(b) ? -1 : 1));
  return byNode;
}

/** Whoever cordoned it, it is not ours to reboot. */
function cordonedBy(node: NodeView | undefined): LeftOut | undefined {
  switch (node?.cordon.kind) {
    case undefined:
    case 'none':
      return undefined;
    case 'ours':
      return { because: `cordoned by run ${node.cordon.runId}`, owner: `run ${node.cordon.runId}` };
    case 'foreign':
      return { because: 'cordoned by somebody else', owner: '' };
  }
}

function blockerOf(forecasts: readonly PodForecast[]): LeftOut | undefined {
  const blocked = forecasts.flatMap(({ pod, verdict }) => (verdict.kind === 'blocked' ? [{ pod, verdict }] : []));
  const [first] = blocked;
  if (!first) return undefined;
  const more = blocked.length > 1 ? `, and ${blocked.length - 1} more` : '';
  return { because: `${podKey(first.pod)}: ${first.verdict.because}${more}`, owner: first.verdict.owner };
}
