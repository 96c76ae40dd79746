/**
 * A hash table that maps 64-bit fingerprints to expiries. For `find`, `claim`, `expiryMs` and `setExpiry`, see `ExpiringTable`.
 *
 * Call `enter` before an operation and `leave` after it. Between these two calls, no other process changes the entries of the
 * fingerprints that were passed to `enter`.
 */
export interface FingerprintTable {
  /** The number of stored entries, including expired entries whose slot was not yet reused. */
  readonly occupied: number;
  /**
   * Begins an operation on `count` fingerprints. The first `count` elements of `highs` are their high halves. Throws
   * `TableBusyError` if another process does not finish its operation in time.
   */
  enter(highs: readonly number[], count: number): void;
  leave(): void;
  /**
   * Makes room for a fingerprint. To use several slots at the same time, first prepare up to 16 fingerprints, then claim them.
   * The slots of all these fingerprints stay valid while you claim them.
   */
  prepare(low: number, high: number, nowMs: number): void;
  find(low: number, high: number): number;
  claim(low: number, high: number, nowMs: number): number;
  expiryMs(slot: number): number;
  setExpiry(slot: number, expiresAtMs: number): void;
  /** The latest expiry of all entries evicted from the part of the table that contains this slot; 0 if there are none. */
  evictedUntilMs(slot: number): number;
  /** Call this every second. Frees the memory of expired entries in the next part of the table. Returns the freed bytes. */
  trim(nowMs: number): number;
}

/** Thrown if another process does not finish its operation on the same part of the table in time. */
export class TableBusyError extends Error {
  constructor() {
    super("another process of this gateway holds a part of the shared table and does not release it");
    this.name = "TableBusyError";
  }
}
