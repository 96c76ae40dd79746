/** The handle of an item in a `LiveSet`. `item` is `undefined` after its removal. */
export interface Held<T> {
  item: T | undefined;
}

/**
 * A set of short-lived objects, such as calls and connections, in insertion order.
 *
 * A plain `Set` or `Map` delays garbage collection. In JavaScriptCore, a hash table that was replaced by a larger one keeps its entries and
 * points to its successor. Once one such table is in the old generation, eden collections keep all its successors, with every object that
 * was ever in them, until a full collection. Here the tables hold handles, and a removal empties the handle.
 */
export class LiveSet<T extends object> {
  readonly #handles = new Set<Held<T>>();

  get size(): number {
    return this.#handles.size;
  }

  /** Returns the handle for `remove`. */
  add(item: T): Held<T> {
    const held: Held<T> = { item };
    this.#handles.add(held);
    return held;
  }

  /** Returns whether the item was still in the set. */
  remove(held: Held<T>): boolean {
    held.item = undefined;
    return this.#handles.delete(held);
  }

  /** Items may be added and removed during iteration. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const { item } of this.#handles) if (item !== undefined) yield item;
  }
}
