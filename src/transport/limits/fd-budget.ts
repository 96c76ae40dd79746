/** How many files connections of clients may hold open, over all listeners that share it, so that some are left for the rest. */
export class FdBudget {
  readonly #max: number;
  #held = 0;

  constructor(max: number = Number.POSITIVE_INFINITY) {
    this.#max = max;
  }

  /** How many more there may be; below 0 where there are too many. */
  get left(): number {
    return this.#max - this.#held;
  }

  /** Takes so many, or none; says which. */
  take(files: number): boolean {
    if (files > this.left) return false;
    this.#held += files;
    return true;
  }

  giveBack(files: number): void {
    this.#held -= files;
  }

  /** For one who cannot ask before: takes, or gives back, what has come to be held in place of what was. */
  replace(before: number, now: number): void {
    this.#held += now - before;
  }
}
