/**
 * Views by key, in the order of their keys. A change costs a binary search, a snapshot one copy: sorting 150,000 pods
 * anew after every event of a busy cluster would take longer than the next event.
 */
export class SortedViews<View> {
  readonly #keys: string[] = [];
  readonly #views: View[] = [];
  #snapshot: readonly View[] | undefined;

  /** Of equal keys the last one counts. */
  static from<View>(entries: readonly (readonly [string, View])[]): SortedViews<View> {
    const made = new SortedViews<View>();
    const sorted = [...entries].sort(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1));
    for (const [key, view] of sorted) {
      if (made.#keys.at(-1) === key) made.#views.pop();
      else made.#keys.push(key);
      made.#views.push(view);
    }
    return made;
  }

  /** The same array until something changes; nobody changes an array that was handed out. */
  get all(): readonly View[] {
    this.#snapshot ??= this.#views.slice();
    return this.#snapshot;
  }

  get(key: string): View | undefined {
    const at = this.#placeOf(key);
    return this.#keys[at] === key ? this.#views[at] : undefined;
  }

  /** Returns what was there before. */
  set(key: string, view: View): View | undefined {
    const at = this.#placeOf(key);
    this.#snapshot = undefined;
    if (this.#keys[at] === key) {
      const before = this.#views[at];
      this.#views[at] = view;
      return before;
    }
    this.#keys.splice(at, 0, key);
    this.#views.splice(at, 0, view);
    return undefined;
  }

  /** Returns what was there. */
  delete(key: string): View | undefined {
    const at = this.#placeOf(key);
    if (this.#keys[at] !== key) return undefined;
    this.#snapshot = undefined;
    this.#keys.splice(at, 1);
    return this.#views.splice(at, 1)[0];
  }

  /** Where the key is, or would have to be. */
  #placeOf(key: string): number {
    let from = 0;
    let to = this.#keys.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#keys[middle] ?? '') < key) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
