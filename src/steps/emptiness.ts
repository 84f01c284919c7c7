/** The look before anything that a pod would not survive: is the server really empty of what the plan protects? */
import { judgeServer } from '../evacuation/verdict.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { StepContext } from './step.ts';

/** @throws `evacuation/blocked` (halt) naming a pod that is still there; `node/cordon-lifted` (halt) */
export async function assertEmpty(context: StepContext): Promise<void> {
  const { cluster, definition, server, signal } = context;
  const node = await cluster.readNode(server.node, signal);
  const isOurs = node?.cordon.kind === 'ours' && node.cordon.runId === definition.runId;
  if (!isOurs) {
    throw new MaintenanceError('node/cordon-lifted', 'halt', `somebody lifted the cordon of ${server.node} meanwhile`);
  }
  const left = await podsLeft(context);
  if (left) throw new MaintenanceError('evacuation/blocked', 'halt', `${podKey(left)} runs on ${server.node} again`);
}

/** A pod that has to go and is still there, asked of the API itself: the view may be behind. */
export async function podsLeft({ cluster, definition, server, signal }: StepContext): Promise<PodView | undefined> {
  const pods = await cluster.readPodsOn(server.node, signal);
  const { budgets } = await cluster.view(signal);
  const judged = judgeServer(server.node, { pods, budgets }, definition.evacuation);
  return judged.find(({ verdict }) => verdict.kind !== 'stays')?.pod;
}
