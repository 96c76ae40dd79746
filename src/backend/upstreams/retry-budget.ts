/**
 * Number of repeats in the budget at the start. By default, an address is ejected after five failures in a row. So each failed
 * call can be repeated until the first failing address is ejected.
 */
const ADVANCE = 5;
/** Maximum number of saved repeats. When the backend starts to fail, at most this many calls are repeated at once. */
const SAVED_MAX = 10;

/**
 * Limits repeats to a share of all calls: of `n` calls, at most `max(5, share × n)` are repeated. The budget starts with five
 * repeats as an advance. The first calls pay back the advance. Each later call adds a fraction of a repeat to the budget.
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

  /** Adds the share of one call to the budget. */
  earn(): void {
    if (this.#owed > 0) this.#owed -= this.#perCall;
    else this.#saved = Math.min(SAVED_MAX, this.#saved + this.#perCall);
  }

  /** Spends one repeat of the budget. Returns false if no repeat is left. */
  spend(): boolean {
    if (this.#saved < 1 || this.#perCall === 0) return false;
    this.#saved--;
    return true;
  }
}
