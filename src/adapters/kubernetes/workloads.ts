/**
 * The ReplicaSet and the Deployment behind a pod, also of one that was taken out of it. Only reads.
 */
import { listAt, numberAt, recordAt, textAt, textsAt, flagAt, type JsonRecord } from '../../cluster/json.ts';
import { podKey, type PodView } from '../../cluster/pod.ts';
import { originalHash, templateHashLabel } from '../../cluster/released.ts';
import { matchesSelector } from '../../cluster/scheduling.ts';
import type { Workload } from '../../ports/cluster.ts';
import { paths } from './paths.ts';
import type { ApiTransport } from './transport.ts';

export async function workloadOf(
  transport: ApiTransport,
  pod: PodView,
  signal: AbortSignal,
): Promise<Workload | undefined> {
  const hash = pod.labels[templateHashLabel];
  if (hash === undefined) return undefined;
  const labels = { ...pod.labels, [templateHashLabel]: originalHash(hash) };
  const answer = await transport.json<unknown>(
    {
      verb: 'list',
      resource: `replicasets of ${podKey(pod)}`,
      path: paths.replicaSets(pod.namespace),
      query: { labelSelector: `${templateHashLabel}=${originalHash(hash)}` },
    },
    signal,
  );
  const replicaSet = listAt(answer, 'items').find((item) => isOwnerOf(item, pod, labels));
  if (replicaSet === undefined) return undefined;
  const wanted = numberAt(recordAt(replicaSet, 'spec'), 'replicas', 1);
  const metadata = recordAt(replicaSet, 'metadata');
  const owner = listAt(metadata, 'ownerReferences').find((reference) => flagAt(reference, 'controller'));
  const workload = { name: textAt(metadata, 'name'), wanted };
  if (textAt(owner, 'kind') !== 'Deployment') return { ...workload, recreates: false };
  const name = textAt(owner, 'name');
  const deployment = await transport.find<JsonRecord>(
    { verb: 'get', resource: `deployments/${name}`, path: paths.deployment(pod.namespace, name) },
    signal,
  );
  if (!deployment) return undefined;
  const strategy = recordAt(recordAt(deployment, 'spec'), 'strategy');
  return { ...workload, recreates: textAt(strategy, 'type') === 'Recreate' };
}

/** By the owner's uid while there is one; a released pod has none, and is known by the labels that it had before. */
function isOwnerOf(replicaSet: unknown, pod: PodView, labels: Readonly<Record<string, string>>): boolean {
  if (pod.owner) return textAt(recordAt(replicaSet, 'metadata'), 'uid') === pod.owner.uid;
  const selector = recordAt(recordAt(replicaSet, 'spec'), 'selector');
  const isSelecting = Object.keys(textsAt(selector, 'matchLabels')).length > 0;
  return isSelecting && matchesSelector(selector, labels);
}
