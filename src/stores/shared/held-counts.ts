import type { HeldCounts } from "../../core/held-counts.ts";
import { NO_SLOT } from "../memory/expiring-table.ts";
import { Fingerprint } from "../memory/fingerprint.ts";
import type { ProcessSlots } from "./process-slots.ts";
import { slotNumber } from "./process-slots.ts";
import type { ProcessWatch } from "./process-watch.ts";
import type { SharedTable } from "./shared-table.ts";

export interface SharedHeldCountsParts {
  readonly table: SharedTable;
  readonly seed: Uint8Array;
  /** The id of this process in `processes`. */
  readonly self: number;
  readonly processes: ProcessSlots;
  readonly watch: ProcessWatch;
  /** Time for which the counts of a dead process stay in the sum of a key, in ms. It starts when the process is found dead. */
  readonly leaseMs: number;
}

/**
 * The value of an entry is an id of `ProcessSlots` times `COUNTS`, plus the count. The value needs at most 53 bits, so a double
 * holds it exactly.
 */
const COUNTS = 2 ** 22;
/**
 * Passed to the table as the current time. The value of each entry with a count is above 0, so the table never treats it as
 * expired.
 */
const NEVER = 0;
/** Multiplier that spreads the entries of one key over their segment (Knuth, TAOCP 6.4: 2³² divided by the golden ratio). */
const SPREAD = 0x9e3779b1;

/**
 * Counts by key, in a file that several processes share. Each process has its own entry for a key, so that the counts of a
 * killed process can be found. All entries of a key are in one segment of the table. Each segment has one lock, which makes
 * each operation atomic.
 */
export class SharedHeldCounts implements HeldCounts {
  readonly isShared = true;
  readonly #parts: SharedHeldCountsParts;
  readonly #fingerprint: Fingerprint;
  readonly #highs: number[] = [];
  /** For each key: the amount that `remove` could not subtract, because the table was busy or full. `retry` subtracts it. */
  readonly #late = new Map<string, number>();

  constructor(parts: SharedHeldCountsParts) {
    this.#parts = parts;
    this.#fingerprint = new Fingerprint(parts.seed);
  }

  held(key: string): number {
    let sum = Number.POSITIVE_INFINITY;
    this.#exclusively(key, () => {
      sum = this.#sum(true);
      return true;
    });
    return sum;
  }

  tryAdd(key: string, amount: number, max: number = Number.POSITIVE_INFINITY): boolean {
    return this.#exclusively(key, () => !this.#isOver(max - amount) && this.#addOwn(amount));
  }

  remove(key: string, amount: number): void {
    if (!this.#exclusively(key, () => this.#addOwn(-amount))) this.#late.set(key, (this.#late.get(key) ?? 0) + amount);
  }

  removeOver(key: string, max: number): boolean {
    return this.#exclusively(key, () => this.#isOver(max) && this.#addOwn(-1));
  }

  /** Repeats the calls of `remove` that failed. Call this every second. */
  retry(): void {
    const late = [...this.#late];
    this.#late.clear();
    for (const [key, amount] of late) this.remove(key, amount);
  }

  /** Removes the entries of a process. Also removes the entries of all processes that are no longer in `processes`. */
  forget(id: number): void {
    const { table, processes } = this.#parts;
    table.vacateWhere((value) => {
      const owner = Math.floor(value / COUNTS);
      return owner === id || !processes.isCurrent(owner);
    });
  }

  /**
   * Runs an operation on the entries of a key while no other process changes them. Returns the result of `operate`, or false if the
   * table is busy.
   */
  #exclusively(key: string, operate: () => boolean): boolean {
    this.#fingerprint.compute(key, "");
    this.#highs[0] = this.#fingerprint.high;
    const { table } = this.#parts;
    try {
      table.enter(this.#highs, 1);
    } catch {
      return false;
    }
    try {
      return operate();
    } finally {
      table.leave();
    }
  }

  /**
   * Whether the sum of the counts of all running processes exceeds `max`. It is slow to find out which processes were killed. So
   * the method does this only if the sum of the counts of all processes exceeds `max`.
   */
  #isOver(max: number): boolean {
    return max !== Number.POSITIVE_INFINITY && this.#sum(false) > max && this.#sum(true) > max;
  }

  /**
   * Returns the sum of the counts of all processes. If `areChecked`, omits processes that were found dead at least `leaseMs` ago.
   */
  #sum(areChecked: boolean): number {
    const { processes, table } = this.#parts;
    let sum = 0;
    for (let number = processes.used; number > 0; number--) {
      const slot = table.find(this.#lowOf(number), this.#fingerprint.high);
      if (slot !== NO_SLOT) sum += this.#countOf(table.expiryMs(slot), areChecked);
    }
    return sum;
  }

  #countOf(value: number, isChecked: boolean): number {
    const { self, processes, watch, leaseMs } = this.#parts;
    const owner = Math.floor(value / COUNTS);
    const count = value % COUNTS;
    if (owner === self) return count;
    if (!processes.isCurrent(owner)) return 0;
    return isChecked && (watch.deadForMs(owner) ?? -1) >= leaseMs ? 0 : count;
  }

  /**
   * Adds `amount` to the entry of this process. Returns false if the table has no room for the entry, or if the count would reach
   * `COUNTS`.
   */
  #addOwn(amount: number): boolean {
    const { table, self } = this.#parts;
    const slot = table.claim(this.#lowOf(slotNumber(self)), this.#fingerprint.high, NEVER);
    if (slot === NO_SLOT) return false;
    const value = table.expiryMs(slot);
    // The entry may be from an earlier process that had the same process slot.
    const before = Math.floor(value / COUNTS) === self ? value % COUNTS : 0;
    const count = Math.max(0, before + amount);
    if (count >= COUNTS) return false;
    table.setExpiry(slot, count === 0 ? 0 : self * COUNTS + count);
    return true;
  }

  /** Combines the low half of the key's fingerprint with the number of a process slot. */
  #lowOf(number: number): number {
    return this.#fingerprint.low ^ Math.imul(number, SPREAD);
  }
}
