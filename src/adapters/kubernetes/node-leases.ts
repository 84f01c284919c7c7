/**
 * The maintenance Lease of a node, by the convention of the Medik8s operators: `node-<name>` in `medik8s-leases`. While
 * somebody holds it, their health checker does not fence the node, and their maintenance operator keeps away.
 *
 * It never takes a Lease that another holder still has, and only ever gives back its own.
 */
import { numberAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import { errorOf, isStatus, statusOf } from './api-answers.ts';
import { againOnConflict, readRawNode } from './nodes.ts';
import { paths, writeQuery } from './paths.ts';
import type { ApiTransport } from './transport.ts';

export const medik8sNamespace = 'medik8s-leases';

export interface LeaseTools {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly namespace: string;
}

function leaseName(node: string): string {
  return `node-${node.toLowerCase()}`;
}

/** meta/v1 `MicroTime`: six digits, or the API refuses it. */
function microTime(atMs: number): string {
  return new Date(atMs).toISOString().replace('Z', '000Z');
}

function findLease(tools: LeaseTools, node: string, signal: AbortSignal): Promise<JsonRecord | undefined> {
  const name = leaseName(node);
  return tools.transport.find<JsonRecord>(
    { verb: 'get', resource: `leases/${name}`, path: paths.lease(tools.namespace, name) },
    signal,
  );
}

export async function holdNodeLease(
  tools: LeaseTools,
  node: string,
  holder: string,
  durationSeconds: number,
  signal: AbortSignal,
): Promise<'held' | { by: string }> {
  return await againOnConflict(tools.clock, signal, async () => {
    const lease = await findLease(tools, node, signal);
    const nowMs = tools.clock.nowMs();
    const renewal = { holderIdentity: holder, leaseDurationSeconds: durationSeconds, renewTime: microTime(nowMs) };
    if (!lease) {
      await createLease(tools, node, { ...renewal, acquireTime: renewal.renewTime, leaseTransitions: 0 }, signal);
      return 'held';
    }
    const spec = recordAt(lease, 'spec');
    const isOurs = textAt(spec, 'holderIdentity') === holder;
    if (!isOurs && isHeld(spec, nowMs)) return { by: textAt(spec, 'holderIdentity') };
    const takeover = isOurs
      ? {}
      : { acquireTime: renewal.renewTime, leaseTransitions: numberAt(spec, 'leaseTransitions') + 1 };
    const name = leaseName(node);
    await tools.transport.json(
      {
        verb: 'update',
        resource: `leases/${name}`,
        path: paths.lease(tools.namespace, name),
        query: writeQuery,
        // Everything that was read goes back, its version with it: whoever wrote in between wins, and we look again.
        body: { ...lease, spec: { ...spec, ...renewal, ...takeover } },
      },
      signal,
    );
    return 'held';
  });
}

/** By the holder's own clock, which may be ahead of ours: a Lease from the future is held, too. */
function isHeld(spec: JsonRecord, nowMs: number): boolean {
  const renewedAtMs = Date.parse(textAt(spec, 'renewTime'));
  if (!textAt(spec, 'holderIdentity') || Number.isNaN(renewedAtMs)) return false;
  return renewedAtMs + numberAt(spec, 'leaseDurationSeconds') * 1000 >= nowMs;
}

async function createLease(
  tools: LeaseTools,
  node: string,
  spec: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<void> {
  // Owned by the node, so that it goes when the node goes.
  const uid = textAt(recordAt(await readRawNode(tools.transport, node, signal), 'metadata'), 'uid');
  const request = {
    verb: 'create',
    resource: `leases/${leaseName(node)}`,
    path: paths.leases(tools.namespace),
    query: writeQuery,
    body: {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: leaseName(node),
        namespace: tools.namespace,
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node, uid }],
      },
      spec,
    },
  } as const;
  const answer = await tools.transport.ask(request, signal);
  if (answer.status < 300) return;
  if (answer.status !== 404 || statusOf(answer).kind !== 'namespaces') throw errorOf(request, answer);
  await createNamespace(tools, signal);
  await tools.transport.json(request, signal);
}

async function createNamespace(tools: LeaseTools, signal: AbortSignal): Promise<void> {
  const { namespace, transport } = tools;
  try {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await transport.json(
      { verb: 'create', resource: `namespaces/${namespace}`, path: paths.namespaces, query: writeQuery, body },
      signal,
    );
  } catch (error) {
    if (isStatus(error, 409)) return;
    if (!isStatus(error, 403)) throw error;
    throw new MaintenanceError(
      'cluster/forbidden',
      'halt',
      `Kubernetes: namespace ${namespace}, which holds the maintenance leases of nodes, does not exist and may not be ` +
        'created by this identity; deploy/kubernetes/rbac.yaml creates it',
      { details: error.details },
    );
  }
}

export async function releaseNodeLease(
  tools: LeaseTools,
  node: string,
  holder: string,
  signal: AbortSignal,
): Promise<void> {
  await againOnConflict(tools.clock, signal, async () => {
    const lease = await findLease(tools, node, signal);
    if (!lease || textAt(recordAt(lease, 'spec'), 'holderIdentity') !== holder) return;
    const metadata = recordAt(lease, 'metadata');
    const name = leaseName(node);
    try {
      await tools.transport.json(
        {
          verb: 'delete',
          resource: `leases/${name}`,
          path: paths.lease(tools.namespace, name),
          body: {
            apiVersion: 'v1',
            kind: 'DeleteOptions',
            preconditions: { uid: textAt(metadata, 'uid'), resourceVersion: textAt(metadata, 'resourceVersion') },
          },
        },
        signal,
      );
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  });
}
