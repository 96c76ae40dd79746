/** The handle of an item in a `LiveSet`. `item` is `undefined` after the item was removed. */
export interface Held<T> {
  item: T | undefined;
}

/**
 * A set of short-lived objects, such as calls and connections, in insertion order. A plain `Set` or `Map` of such objects delays garbage
 * collection:
 *
 * - In JavaScriptCore, a hash table that was replaced by a larger one keeps its entries and points to its successor.
 * - If such a table is in the old generation, eden collections keep all its successors and every object that was ever in them, until a full
 *   collection.
 *
 * So `LiveSet` puts a handle for each object into its `Set`. A removal empties the handle, and the object can be collected.
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

  /** Removes an item. Returns whether the item was still in the set. */
  remove(held: Held<T>): boolean {
    held.item = undefined;
    return this.#handles.delete(held);
  }

  /** Iterates in insertion order. Items may be added and removed during the iteration. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const { item } of this.#handles) if (item !== undefined) yield item;
  }
}
