/** An item of a LiveSet, until it is removed. */
export interface Held<T> {
  item: T | undefined;
}

/**
 * Objects that come and go with calls and connections, in the order in which they came.
 *
 * Not a plain Set or Map of them: in JavaScriptCore, a hash table that was outgrown points to its successor and keeps its own entries. Once
 * one such table is in the old generation, eden collections keep all tables after it, and everything that was ever in one of them, until a
 * full collection. Here the tables hold handles, and a handle is emptied when its item is removed.
 */
export class LiveSet<T extends object> {
  readonly #handles = new Set<Held<T>>();

  get size(): number {
    return this.#handles.size;
  }

  /** Gives the handle that `remove` takes. */
  add(item: T): Held<T> {
    const held: Held<T> = { item };
    this.#handles.add(held);
    return held;
  }

  /** Whether the item was still there. */
  remove(held: Held<T>): boolean {
    held.item = undefined;
    return this.#handles.delete(held);
  }

  /** Items may be added and removed meanwhile. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const { item } of this.#handles) if (item !== undefined) yield item;
  }
}
