/** Claims and volumes as Pitcrew looks at them: where the data of a pod can be reached. Pure. */
import { listAt, recordAt, textAt, isRecord } from './json.ts';
import { parseNodeTerm } from './parse-placement.ts';
import type { NodeTerm } from './placement.ts';

export interface ClaimView {
  readonly namespace: string;
  readonly name: string;
  /** The PersistentVolume; empty while it is not bound. */
  readonly volume: string;
  /** `ReadWriteOnce`: on one node at a time, so that its pods are together. */
  readonly isOnOneNode: boolean;
}

export interface VolumeView {
  readonly name: string;
  /** The nodes from which it can be reached; `undefined`: from all. */
  readonly nodeTerms?: readonly NodeTerm[] | undefined;
}

export function parseClaim(object: unknown): ClaimView {
  const metadata = recordAt(object, 'metadata');
  const spec = recordAt(object, 'spec');
  const modes = listAt(spec, 'accessModes');
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    volume: textAt(spec, 'volumeName'),
    isOnOneNode: !modes.includes('ReadWriteMany') && !modes.includes('ReadOnlyMany'),
  };
}

export function parseVolume(object: unknown): VolumeView {
  const required = recordAt(recordAt(object, 'spec'), 'nodeAffinity')['required'];
  return {
    name: textAt(recordAt(object, 'metadata'), 'name'),
    nodeTerms: isRecord(required) ? listAt(required, 'nodeSelectorTerms').map(parseNodeTerm) : undefined,
  };
}
