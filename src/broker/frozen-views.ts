/** Things as they were at one moment, written out while they go on changing. */
interface FrozenView<T> {
  readonly remaining: Set<T>;
  /** Things that changed before they were written: as they were. */
  readonly before: Uint8Array[];
}

/**
 * Lets a table be written out in slices, as it was at one moment. Whoever is about to change a thing calls `preserve`;
 * what has not been written yet is encoded then, as it was.
 */
export class FrozenViews<T> {
  readonly #encode: (thing: T) => Uint8Array;
  readonly #views = new Set<FrozenView<T>>();

  constructor(encode: (thing: T) => Uint8Array) {
    this.#encode = encode;
  }

  /** Must come before every change of a thing that a view may hold, and costs nothing where there is no view. */
  preserve(thing: T): void {
    if (this.#views.size === 0) return;
    for (const view of this.#views) {
      if (view.remaining.delete(thing)) view.before.push(this.#encode(thing));
    }
  }

  /** The view is taken at this call. Iterate to the end, or call `return`: until then changes cost more. */
  freeze(things: Iterable<T>): IterableIterator<Uint8Array> {
    const view: FrozenView<T> = { remaining: new Set(things), before: [] };
    this.#views.add(view);
    const next = (): IteratorResult<Uint8Array> => {
      const preserved = view.before.pop();
      if (preserved !== undefined) return { done: false, value: preserved };
      for (const thing of view.remaining) {
        view.remaining.delete(thing);
        return { done: false, value: this.#encode(thing) };
      }
      this.#views.delete(view);
      return { done: true, value: undefined };
    };
    // By hand and not a generator: one that was never asked for its first value would not run its `finally`.
    const chunks: IterableIterator<Uint8Array> = {
      next,
      return: () => {
        this.#views.delete(view);
        return { done: true, value: undefined };
      },
      [Symbol.iterator]: () => chunks,
    };
    return chunks;
  }
}
