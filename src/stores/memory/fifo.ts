/** The place of an item in a `Fifo`, which `Fifo.remove` takes. */
export interface FifoNode<T> {
  readonly item: T;
  next: FifoNode<T> | undefined;
  previous: FifoNode<T> | undefined;
}

/**
 * A doubly linked list in order of insertion. Any item can be removed in constant time. The order of a `Map` is not used: in
 * JavaScriptCore, each delete from a large `Map` makes it slower to reach the first key.
 */
export class Fifo<T> {
  #first: FifoNode<T> | undefined;
  #last: FifoNode<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest item; `undefined` if the list is empty. */
  get first(): T | undefined {
    return this.#first?.item;
  }

  add(item: T): FifoNode<T> {
    const node: FifoNode<T> = { item, next: undefined, previous: this.#last };
    if (this.#last === undefined) this.#first = node;
    else this.#last.next = node;
    this.#last = node;
    this.#size++;
    return node;
  }

  /** Removes an item. Call it at most once for each node. */
  remove({ next, previous }: FifoNode<T>): void {
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    this.#size--;
  }
}
