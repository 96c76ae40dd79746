/** Everybody fetching anew costs the backend much: at most so often, whatever it sends. */
const INTERVAL_MS = 1000;

/** Tells of gaps: the first at once, and those that follow within a second together, when it is over. */
export class GapThrottle {
  readonly #tell: () => void;
  #timer: Timer | undefined;
  #isDue = false;

  constructor(tell: () => void) {
    this.#tell = tell;
  }

  notice(): void {
    this.#isDue = true;
    if (this.#timer === undefined) this.#tellNow();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tellNow(): void {
    this.#timer = undefined;
    if (!this.#isDue) return;
    this.#isDue = false;
    this.#timer = setTimeout(() => this.#tellNow(), INTERVAL_MS);
    this.#tell();
  }
}
