/**
 * Minimum time between two gap reports, in ms. A gap report makes every client fetch its state again, which is expensive for
 * the backend.
 */
const INTERVAL_MS = 1000;

/**
 * Reports gaps in the push feed at most once per second. The first gap is reported immediately. All gaps of the following
 * second are combined into one report, at the end of that second.
 */
export class GapThrottle {
  readonly #report: () => void;
  #timer: Timer | undefined;
  #isPending = false;

  constructor(report: () => void) {
    this.#report = report;
  }

  request(): void {
    this.#isPending = true;
    if (this.#timer === undefined) this.#reportNow();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #reportNow(): void {
    this.#timer = undefined;
    if (!this.#isPending) return;
    this.#isPending = false;
    this.#timer = setTimeout(() => this.#reportNow(), INTERVAL_MS);
    this.#report();
  }
}
