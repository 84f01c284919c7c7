/**
 * A plan on a snapshot: what the daemon would make its preview from, without a daemon. Which movers are there is not in a
 * snapshot: surge and eviction, which every cluster has, are what it is planned with.
 */
import { viewOfSnapshot, type Snapshot } from '../engine/snapshot.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { EvictMover } from '../movers/evict.ts';
import { SurgeMover } from '../movers/surge.ts';
import { previewPlan, type PlanPreview } from '../planner/preview.ts';
import { learnTimes } from '../planner/times.ts';
import type { Documents } from '../ports/documents.ts';
import { SimulatedCluster } from '../simulator/cluster.ts';
import { KubernetesApi } from '../simulator/kubernetes/api.ts';
import { SeededRandom } from '../simulator/seeded-random.ts';
import { VirtualClock } from '../simulator/virtual-clock.ts';
import { detectMovers, moveOptions } from '../steps/ways.ts';

export interface OfflineInput {
  readonly snapshot: Snapshot;
  readonly documents: Documents;
  readonly plan: string;
  readonly by: string;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

export async function previewOffline(input: OfflineInput): Promise<PlanPreview> {
  const { snapshot, documents, nowMs, signal } = input;
  const plan = documents.plans.find(({ metadata }) => metadata.name === input.plan);
  if (!plan) throw notFound('plan', input.plan, documents.plans);
  const playbook = documents.playbooks.find(({ metadata }) => metadata.name === plan.spec.playbook);
  if (!playbook) throw notFound('playbook', plan.spec.playbook, documents.playbooks);
  const view = viewOfSnapshot(snapshot);
  // Asked only what these movers could do; there is nothing in this cluster that they could do it to.
  const cluster = new SimulatedCluster(new KubernetesApi(new VirtualClock(nowMs), new SeededRandom(1)));
  const ready = await detectMovers({ surge: new SurgeMover(cluster), evict: new EvictMover(cluster) }, signal);
  return previewPlan({
    plan,
    playbook,
    servers: documents.servers,
    view,
    digest: documents.digest,
    commit: documents.commit,
    learned: snapshot.learned[playbook.metadata.name] ?? learnTimes([]),
    moves: moveOptions(ready, view),
    runId: 'rehearsal',
    startedBy: input.by,
    nowMs,
  });
}

function notFound(kind: string, name: string, there: readonly { metadata: { name: string } }[]): MaintenanceError {
  const names = there.map(({ metadata }) => metadata.name).join(', ') || 'none';
  return new MaintenanceError('document/not-found', 'halt', `no ${kind} named ${name}; there are: ${names}`);
}
