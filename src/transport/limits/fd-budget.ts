/**
 * Limits the number of file descriptors for client connections. All listeners share one budget. The budget leaves descriptors
 * free for the other parts of the process.
 */
export class FdBudget {
  readonly #max: number;
  #held = 0;

  constructor(max: number = Number.POSITIVE_INFINITY) {
    this.#max = max;
  }

  /** Number of descriptors that are still free. It is negative if the budget is exceeded. */
  get left(): number {
    return this.#max - this.#held;
  }

  /** Takes `fds` descriptors and returns true. If fewer are free, takes none and returns false. */
  take(fds: number): boolean {
    if (fds > this.left) return false;
    this.#held += fds;
    return true;
  }

  release(fds: number): void {
    this.#held -= fds;
  }

  /**
   * Changes a number of taken descriptors from `before` to `now`. The budget may then be exceeded, because the runtime has already
   * accepted the connections.
   */
  replace(before: number, now: number): void {
    this.#held += now - before;
  }
}
