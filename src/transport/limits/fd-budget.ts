/** Bounds the file descriptors of client connections, over all listeners that share it. The rest of the process needs some as well. */
export class FdBudget {
  readonly #max: number;
  #held = 0;

  constructor(max: number = Number.POSITIVE_INFINITY) {
    this.#max = max;
  }

  /** The number that is still free. Negative if the budget is exceeded. */
  get left(): number {
    return this.#max - this.#held;
  }

  /** Takes all of them and returns true, or takes none and returns false. */
  take(fds: number): boolean {
    if (fds > this.left) return false;
    this.#held += fds;
    return true;
  }

  release(fds: number): void {
    this.#held -= fds;
  }

  /** Corrects a holding from `before` to `now`, for connections that the runtime accepted by itself. May exceed the budget. */
  replace(before: number, now: number): void {
    this.#held += now - before;
  }
}
