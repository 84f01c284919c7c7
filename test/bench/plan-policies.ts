/** How long a fleet takes by our plan, by simpler ways, and at the very least. Everything in servers' turns of equal length. */
import { Capacity } from '../../src/planner/capacity.ts';
import { previewPlan, type PlanPreview } from '../../src/planner/preview.ts';
import { learnTimes } from '../../src/planner/times.ts';
import { defaultEvacuation, MaintenancePlan } from '../../src/spec/plan.ts';
import { playbook } from '../simulation/harness.ts';
import { runServer } from '../workflow/fixtures.ts';
import type { Fleet } from './plan-fleets.ts';

export const turnMs = 8 * 60_000;
/** A Saturday evening, when the window opens. */
const nowMs = Date.UTC(2026, 10, 28, 21, 0, 0);

export function previewOf({ view, maxUnavailable }: Fleet): PlanPreview {
  const windows = [{ opens: '0 22 * * *', lasts: '4h', timeZone: 'Europe/Berlin' }];
  const plan = MaintenancePlan.parse({
    apiVersion: 'pitcrew.dev/v1',
    kind: 'MaintenancePlan',
    metadata: { name: 'weekly' },
    spec: {
      playbook: 'kernel',
      targets: { matchLabels: { role: 'worker' } },
      schedule: { windows, estimate: '8m' },
      rollout: { maxUnavailable },
    },
  });
  return previewPlan({
    plan,
    playbook: playbook(),
    servers: view.nodes.map(({ name }) => ({ ...runServer(name), labels: { role: 'worker' } })),
    view,
    digest: '',
    runId: 'bench',
    startedBy: 'bench',
    learned: learnTimes([]),
    moves: {
      closedFor: () => ({}),
      choose: () => ({ way: 'evict', mover: 'evict', promise: 'nothing: restart', predictedMs: 30_000 }),
    },
    nowMs,
  });
}

/** In turns, from the first start to the last end. */
export function turnsOf({ forecast, servers }: PlanPreview): number {
  if (forecast.never > 0 || !forecast.toMs || forecast.fromMs === undefined) throw new Error(forecast.why ?? 'no end');
  const missing = servers.filter(({ leftOut }) => leftOut);
  if (missing.length > 0) throw new Error(`${missing.length} left out: ${missing[0]?.leftOut?.because}`);
  return (forecast.toMs.p50 - forecast.fromMs) / turnMs;
}

/**
 * The greater of what the budget and what the sum of the room allow. No more servers can be out together than are left
 * when everything that runs is packed into as few of them as could hold it without any waste.
 */
export function leastTurns({ view, maxUnavailable }: Fleet): number {
  const { nodes, pods } = view;
  const share = (pick: (of: { cpuMillis: number; memoryBytes: number }) => number): number => {
    const each = Math.min(...nodes.map(({ allocatable }) => pick(allocatable)));
    return Math.ceil(pods.reduce((sum, { requests }) => sum + pick(requests), 0) / each - 1e-9);
  };
  const needed = Math.max(
    share(({ cpuMillis }) => cpuMillis),
    share(({ memoryBytes }) => memoryBytes),
  );
  return Math.ceil(nodes.length / Math.min(maxUnavailable, nodes.length - needed));
}

/** As many as the budget allows, by name; the next ones when all of them are back; cut short where the room ends. */
export function batchTurns({ view, maxUnavailable }: Fleet): number {
  const servers = view.nodes.map(({ name }) => ({ name, node: name }));
  const capacity = new Capacity({ view, servers, ended: new Set(), evacuation: defaultEvacuation });
  let turns = 0;
  for (let next = 0; next < servers.length; turns += 1) {
    const batch = new Set<string>();
    while (next < servers.length && batch.size < maxUnavailable) {
      const name = servers[next]?.name ?? '';
      if (capacity.refuses(name, batch) !== undefined) break;
      batch.add(name);
      next += 1;
    }
    if (batch.size === 0) throw new Error('not even one server can go');
  }
  return turns;
}
