/** Thrown if the check of a payload needs too many steps. */
export class TooManySteps extends Error {
  constructor() {
    super("the check needs too many steps");
    this.name = "TooManySteps";
  }
}

/** Limits the CPU time of the check of one payload. Counts the work in steps of about 10 ns. */
export class Steps {
  #left = 0;

  start(steps: number): void {
    this.#left = steps;
  }

  take(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new TooManySteps();
  }
}
