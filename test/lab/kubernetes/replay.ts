/**
 * Replays recorded exchanges with a real API server against the lab: what has to be the same is compared, what can never
 * be the same (identities, times, versions) is masked on both sides.
 */
import { readFileSync } from 'node:fs';
import { isRecord } from '../../../src/cluster/json.ts';

export interface Recording {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly contentType?: string;
    readonly body?: unknown;
  };
  readonly response: {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly stream?: readonly unknown[];
  };
}

export function readRecordings(): Recording[] {
  return JSON.parse(readFileSync(new URL('recordings.json', import.meta.url), 'utf8')) as Recording[];
}

/** Values that differ from server to server. That they are there, and of what type, is compared all the same. */
const maskedKeys: ReadonlySet<string> = new Set([
  'uid',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'lastTransitionTime',
  'lastHeartbeatTime',
  'startTime',
  'startedAt',
  'containerID',
  'continue',
  'pod-template-hash',
  'controller-revision-hash',
]);

export function masked(value: unknown, key = ''): unknown {
  if (maskedKeys.has(key)) return value === null ? null : `<${typeof value}>`;
  if (Array.isArray(value)) return value.map((item) => masked(item));
  if (!isRecord(value)) return value;
  const isTimes = key === 'disruptedPods';
  // Left out of the recordings.
  const { managedFields: _who, ...kept } = value;
  return Object.fromEntries(
    Object.entries(kept).map(([name, entry]) => [name, isTimes ? `<${typeof entry}>` : masked(entry, name)]),
  );
}

/** Versions inside messages: only that there are two of them, and where. */
export function withoutVersions(value: unknown): unknown {
  const text = JSON.stringify(value);
  return JSON.parse(
    text
      .replaceAll(/(too old resource version: )\d+ \(\d+\)/g, '$1N (N)')
      .replaceAll(/(Too large resource version: )\d+, current: \d+/g, '$1N, current: N'),
  ) as unknown;
}

/** Generated names and uids of the recording, put into the words of this cluster. */
export class Translation {
  readonly #pairs: [recorded: string, ours: string][] = [];

  learn(recorded: string, ours: string): void {
    this.#pairs.push([recorded, ours]);
  }

  apply<T>(value: T): T {
    if (value === undefined) return value;
    let text = JSON.stringify(value);
    // Longer ones first: the name of a ReplicaSet begins that of its pods.
    const pairs = this.#pairs.toSorted(([a], [b]) => b.length - a.length);
    for (const [recorded, ours] of pairs) text = text.replaceAll(recorded, ours);
    return JSON.parse(text) as T;
  }
}
