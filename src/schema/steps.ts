/** Thrown if the check of a payload needs too many steps. */
export class TooManySteps extends Error {
  constructor() {
    super("the check needs too many steps");
    this.name = "TooManySteps";
  }
}

/** Counts the work of one check, so that no payload makes it long. A step is about ten nanoseconds. */
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
