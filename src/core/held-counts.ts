/**
 * Stores one count for each key, such as the number of open connections of each network. If several processes share the counts,
 * `held` and `max` refer to the sum of the counts of all these processes.
 *
 * - `tryAdd` is atomic: no call in any process raises the sum of a key above the `max` of that call.
 * - At the latest one second after a process was killed, the sums omit its counts. An implementation can add a fixed time to
 *   this second.
 * - If the implementation is full or busy, `tryAdd` returns `false`, and `held` returns `Infinity`.
 */
export interface HeldCounts {
  /** Whether other processes may add to these counts. */
  readonly isShared: boolean;
  held(key: string): number;
  /** Adds `amount` and returns true. If the sum would exceed `max`, adds nothing and returns false. */
  tryAdd(key: string, amount: number, max?: number): boolean;
  /** Subtracts `amount`. The process must have added at least this amount before. */
  remove(key: string, amount: number): void;
  /** If the sum exceeds `max`, subtracts 1 and returns true. Otherwise, or if the implementation is busy, returns false. */
  removeOver(key: string, max: number): boolean;
}

/** The counts of one process. A key whose count is 0 takes no memory. */
export class LocalHeldCounts implements HeldCounts {
  readonly isShared = false;
  readonly #counts = new Map<string, number>();

  held(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  tryAdd(key: string, amount: number, max: number = Number.POSITIVE_INFINITY): boolean {
    const sum = this.held(key) + amount;
    if (sum > max) return false;
    this.#counts.set(key, sum);
    return true;
  }

  remove(key: string, amount: number): void {
    const left = this.held(key) - amount;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }

  removeOver(key: string, max: number): boolean {
    if (this.held(key) <= max) return false;
    this.remove(key, 1);
    return true;
  }
}
