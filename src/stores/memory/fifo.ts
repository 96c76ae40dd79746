import type { Held } from "../../core/live-set.ts";

/** A removal leaves an empty handle. If there are at least this many more empty handles than items, `remove` deletes them all. */
const COMPACT_AT = 32;

/**
 * A list in order of insertion, from which any item can be removed. Each operation takes constant time on average. The list
 * stores each item in a handle (`Held`). A removal empties the handle, so the garbage collector can free the item immediately.
 * One handle can be in several lists.
 *
 * A `Map` is not used: in JavaScriptCore, each delete from a large `Map` slows the access to its first key.
 */
export class Fifo<T extends object> {
  #handles: Held<T>[] = [];
  /** The index of the first handle that may hold an item. */
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest item; `undefined` if the list is empty. */
  get first(): T | undefined {
    while (this.#head < this.#handles.length && this.#handles[this.#head]?.item === undefined) this.#head++;
    return this.#handles[this.#head]?.item;
  }

  add(held: Held<T>): void {
    this.#handles.push(held);
    this.#size++;
  }

  /** Removes an item. Call it once for each handle, even if another list has emptied the handle already. */
  remove(held: Held<T>): void {
    held.item = undefined;
    this.#size--;
    if (this.#handles.length < 2 * this.#size + COMPACT_AT) return;
    this.#handles = this.#handles.filter(({ item }) => item !== undefined);
    this.#head = 0;
  }
}
