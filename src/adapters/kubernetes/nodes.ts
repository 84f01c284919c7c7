/**
 * What is written on nodes: the cordon with its owner, and the maintenance conditions.
 *
 * Owner and cordon are written in one patch, guarded by the version that was read, so that there is no moment in which
 * a node is cordoned without an owner, and nobody else's cordon is ever taken for ours. It never drains.
 */
import { cordonChange, uncordonChange } from '../../cluster/cordon.ts';
import { listAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import { withPending, type PendingMark } from '../../cluster/pending.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ConditionUpdate, CordonAnswer } from '../../ports/cluster.ts';
import { isStatus } from './api-answers.ts';
import { paths, writeQuery } from './paths.ts';
import type { ApiTransport } from './transport.ts';

export interface NodeTools {
  readonly transport: ApiTransport;
  readonly clock: Clock;
}

const conflictTriesMax = 5;
const conflictPauseMs = 50;

export function readRawNode(transport: ApiTransport, node: string, signal: AbortSignal): Promise<JsonRecord> {
  return transport.json({ verb: 'get', resource: `nodes/${node}`, path: paths.node(node) }, signal);
}

export async function cordon(
  tools: NodeTools,
  node: string,
  runId: string,
  reason: string,
  signal: AbortSignal,
): Promise<CordonAnswer> {
  return await againOnConflict(tools.clock, signal, async () => {
    const object = await readRawNode(tools.transport, node, signal);
    const decided = cordonChange(object, runId, reason);
    if ('answer' in decided) return decided.answer;
    await patchNode(tools.transport, node, object, decided.change, signal);
    return { kind: 'cordoned' };
  });
}

export async function uncordon(
  tools: NodeTools,
  node: string,
  runId: string,
  signal: AbortSignal,
): Promise<'uncordoned' | 'notCordoned' | 'notOurs'> {
  return await againOnConflict(tools.clock, signal, async () => {
    const object = await readRawNode(tools.transport, node, signal);
    const { answer, change } = uncordonChange(object, runId);
    if (change) await patchNode(tools.transport, node, object, change, signal);
    return answer;
  });
}

export async function setPending(
  tools: NodeTools,
  node: string,
  runId: string,
  mark: PendingMark | undefined,
  signal: AbortSignal,
): Promise<void> {
  await againOnConflict(tools.clock, signal, async () => {
    const object = await readRawNode(tools.transport, node, signal);
    const taints = withPending(listAt(recordAt(object, 'spec'), 'taints'), runId, mark);
    // The list is written as a whole, so only over the version that was read: a cordon adds a taint of its own.
    if (taints) await patchNode(tools.transport, node, object, { spec: { taints } }, signal);
  });
}

async function patchNode(
  transport: ApiTransport,
  node: string,
  read: JsonRecord,
  change: { readonly annotations?: Readonly<Record<string, string | null>>; readonly spec: JsonRecord },
  signal: AbortSignal,
): Promise<void> {
  const resourceVersion = textAt(recordAt(read, 'metadata'), 'resourceVersion');
  await transport.json(
    {
      verb: 'patch',
      resource: `nodes/${node}`,
      path: paths.node(node),
      query: writeQuery,
      patchType: 'merge-patch',
      body: { metadata: { resourceVersion, annotations: change.annotations }, spec: change.spec },
    },
    signal,
  );
}

/** Somebody wrote between our reading and writing: read again, decide again. */
export async function againOnConflict<T>(clock: Clock, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isStatus(error, 409) || tries >= conflictTriesMax) throw error;
      await clock.sleep(conflictPauseMs * tries, signal);
    }
  }
}

/** Conditions of our own types, merged by type into whatever the kubelet and others report. */
export async function setConditions(
  tools: NodeTools,
  node: string,
  updates: readonly ConditionUpdate[],
  signal: AbortSignal,
): Promise<void> {
  const object = await readRawNode(tools.transport, node, signal);
  const now = new Date(tools.clock.nowMs()).toISOString();
  const present = listAt(recordAt(object, 'status'), 'conditions');
  const conditions = updates.flatMap((update) => {
    const before = present.find((condition) => textAt(condition, 'type') === update.type);
    const status = update.status ? 'True' : 'False';
    const isSameStatus = textAt(before, 'status') === status;
    const isSame =
      isSameStatus && textAt(before, 'reason') === update.reason && textAt(before, 'message') === update.message;
    if (isSame) return [];
    const lastTransitionTime = (isSameStatus && textAt(before, 'lastTransitionTime')) || now;
    return [{ ...update, status, lastTransitionTime, lastHeartbeatTime: now }];
  });
  if (conditions.length === 0) return;
  await tools.transport.json(
    {
      verb: 'patch',
      resource: `nodes/status ${node}`,
      path: paths.nodeStatus(node),
      query: writeQuery,
      patchType: 'strategic-merge-patch',
      body: { status: { conditions } },
    },
    signal,
  );
}
