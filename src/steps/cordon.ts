/**
 * Takes the node out of scheduling, with owner, reason and run written on it, and tells everybody who might interfere:
 * the node's maintenance Lease and the KEP-5683 conditions.
 *
 * It never takes over somebody else's cordon.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Hold } from '../workflow/hold.ts';
import { finished, lengthText, sinceMs, waiting, type StepContext, type StepResult } from './step.ts';

/** Medik8s' node maintenance operator takes its lease for an hour; ours is renewed well before that. */
const nodeLeaseSeconds = 3_600;

function leaseHolder(runId: string): string {
  return `pitcrew-${runId}`;
}

/** Takes or renews the node's Lease. Returns what to wait for where somebody else has it. */
export async function holdNodeLease({ cluster, definition, server, signal }: StepContext): Promise<Hold | undefined> {
  const lease = await cluster.holdNodeLease(server.node, leaseHolder(definition.runId), nodeLeaseSeconds, signal);
  if (lease === 'held') return undefined;
  return { kind: 'waiting', for: 'lease', text: `the node's lease is held by ${lease.by}` };
}

export async function advanceCordon(context: StepContext): Promise<StepResult> {
  const { cluster, definition, server, signal } = context;
  const held = await context.guard();
  if (held) return holdBack(context, held);
  // The lease comes before the cordon: a health checker that saw a cordoned node without it might fence the server.
  const taken = await holdNodeLease(context);
  if (taken) return waiting(taken, 10_000);
  const reason = `${definition.purpose} ${definition.plan}`;
  const answer = await cluster.cordon(server.node, definition.runId, reason, signal);
  if (answer.kind === 'foreign') {
    throw new MaintenanceError('node/foreign-cordon', 'halt', `node ${server.node} is cordoned by ${answer.by}`);
  }
  const message = `run ${definition.runId}: ${reason}`;
  await cluster.setConditions(
    server.node,
    [{ type: 'MaintenanceInProgress', status: true, reason: 'PitcrewRun', message }],
    signal,
  );
  if (answer.kind === 'cordoned') await cluster.announce(server.node, 'MaintenanceStarted', message, signal);
  return finished({ node: server.node });
}

/**
 * Nothing is cordoned yet, so waiting costs nobody anything; but where there is no room because another server is down for
 * good, it would last for ever, and nobody would come to look.
 */
async function holdBack(context: StepContext, held: Hold): Promise<StepResult> {
  const { definition, state, clock } = context;
  const isFull = held.kind === 'waiting' && (held.for === 'budget' || held.for === 'capacity');
  const noted = Number(state.notes['cordon']?.['fullSinceMs'] ?? 0);
  // What was noted before a retry is of another time.
  const fullSinceMs = noted >= sinceMs(context, 'cordon') ? noted : 0;
  if (isFull && fullSinceMs === 0) await noteFull(context, clock.nowMs());
  if (!isFull && fullSinceMs !== 0) await noteFull(context, 0);
  const waitedMs = isFull && fullSinceMs !== 0 ? clock.nowMs() - fullSinceMs : 0;
  if (isFull && waitedMs >= definition.evacuation.timeoutMs) {
    throw new MaintenanceError('run/no-room', 'halt', `no room for ${lengthText(waitedMs)}: ${held.text}`);
  }
  // A window may be a week away: nobody holds a lease for so long.
  return waiting(held, held.kind === 'waiting' && held.for === 'window' ? 60_000 : 5_000);
}

async function noteFull(context: StepContext, fullSinceMs: number): Promise<void> {
  await context.record({ kind: 'noted', step: 'cordon', facts: { fullSinceMs } });
}

/** Back to how it was before the cordon; used by the undo and, after verification, by the return. */
export async function liftCordon(
  context: StepContext,
  runId: string,
): Promise<'uncordoned' | 'notCordoned' | 'notOurs'> {
  const { cluster, definition, server, signal } = context;
  const done = { status: false, reason: 'PitcrewRun', message: `run ${definition.runId} is finished here` };
  await cluster.setConditions(
    server.node,
    [
      { ...done, type: 'DrainInProgress' },
      { ...done, type: 'Drained' },
      { ...done, type: 'MaintenanceInProgress' },
    ],
    signal,
  );
  const answer = await cluster.uncordon(server.node, runId, signal);
  // The lease goes last: until the node is in service again nobody else shall lay hands on it.
  await cluster.releaseNodeLease(server.node, leaseHolder(runId), signal);
  return answer;
}
