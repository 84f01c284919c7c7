/** Every cordon and its lifting, node by node: when, and in whose name. For the checkers; it never interferes. */
import { cordonOf } from '../cluster/cordon.ts';
import type { Clock } from '../ports/clock.ts';
import { kinds } from './kubernetes/kinds.ts';
import type { NodeObject } from './kubernetes/objects.ts';
import type { Store } from './kubernetes/store.ts';

export interface CordonRecord {
  readonly kind: 'cordoned' | 'uncordoned';
  readonly atMs: number;
  /** The run that is named on the node; empty: nobody put a name on it. */
  readonly by: string;
}

export class CordonHistory {
  readonly #byNode = new Map<string, CordonRecord[]>();

  constructor(store: Store, clock: Clock) {
    store.subscribe(({ kind, object, previous }) => {
      if (kind !== kinds.nodes) return;
      const [before, now] = [previous as NodeObject | undefined, object as NodeObject];
      const isCordoned = now.spec.unschedulable === true;
      if (isCordoned === (before?.spec.unschedulable === true)) return;
      // The name goes together with the cordon, so a lifted cordon is in the name of before.
      const cordon = cordonOf(isCordoned ? now : before);
      const by = cordon.kind === 'ours' ? cordon.runId : '';
      const record: CordonRecord = { kind: isCordoned ? 'cordoned' : 'uncordoned', atMs: clock.nowMs(), by };
      this.#byNode.set(now.metadata.name, [...this.of(now.metadata.name), record]);
    });
  }

  of(node: string): readonly CordonRecord[] {
    return this.#byNode.get(node) ?? [];
  }
}
