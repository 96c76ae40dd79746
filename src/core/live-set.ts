/** The handle of an item in a `LiveSet`. `item` is `undefined` after the item was removed. */
export interface Held<T> {
  item: T | undefined;
}

/**
 * A set of short-lived objects, such as calls and connections, in insertion order.
 *
 * A plain `Set` or `Map` can keep removed objects in memory until a full garbage collection, because of how JavaScriptCore
 * grows it:
 *
 * - A growing `Set` gets a larger hash table. The old table keeps its entries and points to the new table.
 * - An old table that has survived a collection is freed only by a full collection.
 * - Until then, the old table keeps all later tables in memory, with every object that was ever in them.
 *
 * `LiveSet` therefore stores a handle for each object. A removal empties the handle, so the object can be collected.
 */
export class LiveSet<T extends object> {
  readonly #handles = new Set<Held<T>>();

  get size(): number {
    return this.#handles.size;
  }

  /** Adds an item. Returns its handle, which `remove` takes. */
  add(item: T): Held<T> {
    const held: Held<T> = { item };
    this.#handles.add(held);
    return held;
  }

  /** Removes an item. Returns false if the item was already removed. */
  remove(held: Held<T>): boolean {
    held.item = undefined;
    return this.#handles.delete(held);
  }

  /** Iterates in insertion order. Items may be added and removed during the iteration. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const { item } of this.#handles) if (item !== undefined) yield item;
  }
}
