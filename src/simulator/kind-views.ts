/** The views of all objects of one kind in the simulated API, kept up to date change by change. */
import { SortedViews } from '../cluster/sorted-views.ts';
import type { Kind } from './kubernetes/kinds.ts';
import type { ApiObject } from './kubernetes/objects.ts';
import type { Store } from './kubernetes/store.ts';

export interface KindViewsInput<View> {
  readonly store: Store;
  readonly kind: Kind;
  readonly parse: (object: unknown) => View;
  /** At once, at every change. */
  readonly onChange: () => void;
  /** At the next look, for every object that is another one than at the last. */
  readonly onView?: ((before: View | undefined, now: View | undefined) => void) | undefined;
}

export class KindViews<View> {
  readonly #input: KindViewsInput<View>;
  readonly #views = new SortedViews<View>();
  /** Changed since the last look, by key: many changes of one object cost one parse. */
  readonly #changed = new Map<string, ApiObject | undefined>();

  constructor(input: KindViewsInput<View>) {
    this.#input = input;
    const { store, kind, onChange } = input;
    for (const object of store.list(kind)) this.#changed.set(keyOf(object), object);
    store.subscribe((change) => {
      if (change.kind !== kind) return;
      this.#changed.set(keyOf(change.object), change.type === 'DELETED' ? undefined : change.object);
      onChange();
    });
  }

  /** In the order of namespace and name, and the same array until something changes. */
  get all(): readonly View[] {
    const { parse, onView } = this.#input;
    for (const [key, object] of this.#changed) {
      const now = object && parse(object);
      const before = now === undefined ? this.#views.delete(key) : this.#views.set(key, now);
      onView?.(before, now);
    }
    this.#changed.clear();
    return this.#views.all;
  }
}

function keyOf({ metadata }: ApiObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
