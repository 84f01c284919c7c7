/**
 * Paguro's objects, read with care: `Migration` of `paguro.dev/v1alpha1` and what its agents write on nodes.
 *
 * Sources: DPicillo/paguro api/v1alpha1/migration_types.go (fields, phases), pkg/names/names.go (labels and annotations),
 * internal/controller/preflight.go (what is refused), terminal.go (what comes after the end). Facts only; nothing is copied.
 */
import { flagAt, numberAt, recordAt, textAt, textsAt, type JsonRecord } from '../../cluster/json.ts';
import type { ObjectKind } from '../../ports/objects.ts';
import { partsOf, recordsAt } from '../source.ts';

export const paguroMigrations: ObjectKind = { group: 'paguro.dev', version: 'v1alpha1', resource: 'migrations' };
export const coreNodes: ObjectKind = { group: '', version: 'v1', resource: 'nodes' };

/** The owner's consent, on the pod's template. */
export const migratableLabel = 'paguro.dev/migratable';

export interface PaguroMigration {
  readonly name: string;
  readonly uid: string;
  readonly isBeingRemoved: boolean;
  readonly podName: string;
  /** Empty until the controller has taken it up. */
  readonly phase: string;
  readonly message: string;
  readonly sourcePodUid: string;
  readonly targetPod: { readonly name: string; readonly uid: string };
  readonly network: string;
  readonly keepsAddress: boolean;
  /** Why a container was started anew instead of being restored; said even where the migration succeeded. */
  readonly coldStarts: readonly string[];
  readonly totalBytes: number;
  readonly wireBytes: number;
  /** Of the last round, on the wire; 0 where none has been measured. */
  readonly bytesPerSecond: number;
  readonly freezeMs: number | undefined;
  /** Over, and neither the source nor its owner is touched any more. */
  readonly isReleased: boolean;
}

export function parseMigration(object: JsonRecord): PaguroMigration {
  const { name, uid, isBeingRemoved, spec, status } = partsOf(object);
  const containers = recordsAt(status, 'containers');
  const freezeMs = numberAt(recordAt(status, 'timings'), 'freezeMs', -1);
  return {
    name,
    uid,
    isBeingRemoved,
    podName: textAt(spec, 'podName'),
    phase: textAt(status, 'phase'),
    message: textAt(status, 'message'),
    sourcePodUid: textAt(status, 'sourcePodUID'),
    targetPod: { name: textAt(status, 'targetPodName'), uid: textAt(status, 'targetPodUID') },
    network: textAt(status, 'networkAdapter'),
    keepsAddress: flagAt(status, 'ipPreserved'),
    coldStarts: recordsAt(recordAt(status, 'target'), 'containers').flatMap((container) => {
      const reason = textAt(container, 'coldStartReason');
      return reason === '' ? [] : [`${textAt(container, 'name')}: ${reason}`];
    }),
    totalBytes: containers.reduce((sum, container) => sum + numberAt(container, 'rssBytes'), 0),
    wireBytes: numberAt(status, 'wireBytes'),
    bytesPerSecond: containers.reduce((sum, container) => sum + rateOf(container), 0),
    freezeMs: freezeMs < 0 ? undefined : freezeMs,
    isReleased: textAt(status, 'releasedAt') !== '',
  };
}

function rateOf(container: JsonRecord): number {
  const last = recordsAt(container, 'rounds').at(-1);
  const tookMs = numberAt(last, 'dumpMs') + numberAt(last, 'sendMs');
  return tookMs > 0 ? Math.round((numberAt(last, 'wireBytes') / tookMs) * 1_000) : 0;
}

/** What the agent says of its node. */
export interface PaguroNode {
  readonly name: string;
  /** Empty: no agent that could take part. */
  readonly endpoint: string;
  readonly release: string;
  readonly isDraining: boolean;
  readonly cpuFlags: ReadonlySet<string>;
  /** The network plug-in can give a pod its address on another node. */
  readonly movesAddresses: boolean;
  readonly hasPhantom: boolean;
}

export function parseNode(object: JsonRecord): PaguroNode {
  const metadata = recordAt(object, 'metadata');
  const annotations = textsAt(metadata, 'annotations');
  const of = (key: string): string => annotations[`paguro.dev/${key}`] ?? '';
  // `<name>;<plugin>/<ipam>`, with "+multus" behind the name where that is chained.
  const plugin = (of('cni').split(';')[0] ?? '').replace(/\+multus$/, '');
  return {
    name: textAt(metadata, 'name'),
    endpoint: of('agent-endpoint'),
    release: of('agent-version'),
    isDraining: of('agent-draining') !== '',
    cpuFlags: new Set(
      of('cpu-flags')
        .split(',')
        .filter((flag) => flag !== ''),
    ),
    movesAddresses: plugin === 'calico' || plugin === 'cilium',
    hasPhantom: of('phantom') === 'available',
  };
}
