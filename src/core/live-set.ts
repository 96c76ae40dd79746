/** The handle of an item in a `LiveSet`. `item` is `undefined` after the item was removed. */
export interface Held<T> {
  item: T | undefined;
}

/**
 * A set of short-lived objects, such as calls and connections, in insertion order. A plain `Set` or `Map` of such objects delays garbage
 * collection:
 *
 * - When a `Set` grows, JavaScriptCore replaces its hash table by a larger one. The replaced table keeps its entries and points to the
 *   larger table.
 * - A table that has survived a collection is in the old generation. A young-generation collection does not free such a table. So the
 *   tables that replaced it, and every object that was ever in them, stay in memory until a full collection.
 *
 * `LiveSet` therefore puts a handle for each object into its `Set`. A removal empties the handle, and the object can be collected.
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
