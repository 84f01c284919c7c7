/** The look before anything that a pod would not survive: is the server really empty of what the plan protects? */
import { judgeServer } from '../evacuation/verdict.ts';
import { podKey } from '../cluster/pod.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { StepContext } from './step.ts';

/** @throws `evacuation/blocked` (halt) naming a pod that is still there, or that somebody lifted the cordon. */
export async function assertEmpty(context: StepContext): Promise<void> {
  const { cluster, definition, server, signal } = context;
  const node = await cluster.readNode(server.node, signal);
  const isOurs = node?.cordon.kind === 'ours' && node.cordon.runId === definition.runId;
  if (!isOurs) {
    throw new MaintenanceError('evacuation/blocked', 'halt', `somebody lifted the cordon of ${server.node} meanwhile`);
  }
  const view = await cluster.view(signal);
  const left = judgeServer(server.node, view, definition.evacuation).find(({ verdict }) => verdict.kind !== 'stays');
  if (left) {
    throw new MaintenanceError('evacuation/blocked', 'halt', `${podKey(left.pod)} runs on ${server.node} again`);
  }
}
