/**
 * Number of repeats that are allowed before any call has earned one. By default, five failures in a row eject an address. So each
 * failed call can be repeated until the first failing address is ejected.
 */
const ADVANCE = 5;
/** Maximum number of saved repeats. It bounds how many repeats follow each other when the backend starts to fail. */
const SAVED_MAX = 10;

/**
 * Limits the repeats of calls to a share of all calls. Each call earns a fraction of a repeat. The first five repeats are allowed
 * before they are earned. Of `n` calls, at most `max(5, share × n)` are repeated.
 */
export class RetryBudget {
  #perCall: number;
  #saved = ADVANCE;
  #owed = ADVANCE;

  constructor(percent: number) {
    this.#perCall = percent / 100;
  }

  adopt(percent: number): void {
    this.#perCall = percent / 100;
  }

  /** Records one call. */
  earn(): void {
    if (this.#owed > 0) this.#owed -= this.#perCall;
    else this.#saved = Math.min(SAVED_MAX, this.#saved + this.#perCall);
  }

  /** Takes one repeat. Returns false if none is left. */
  spend(): boolean {
    if (this.#saved < 1 || this.#perCall === 0) return false;
    this.#saved--;
    return true;
  }
}
