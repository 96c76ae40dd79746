/**
 * A hash table that maps 64-bit fingerprints to expiries, as the stores use it. See `ExpiringTable` for `find`, `claim`,
 * `expiryMs` and `setExpiry`.
 *
 * Call `enter` before the other methods and `leave` after them. Between both calls, no other process changes the entries of the
 * given fingerprints.
 */
export interface FingerprintTable {
  /** The number of stored entries, including expired entries whose slot was not yet reused. */
  readonly occupied: number;
  /**
   * Begins an operation on `count` fingerprints. `highs` starts with their high halves. Throws `TableBusyError` if another
   * process does not finish its own operation in time.
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
  /** The latest expiry of all evicted entries that could have had this slot; 0 if none was evicted. */
  evictedUntilMs(slot: number): number;
  /**
   * Frees the memory of expired entries in the next part of the table. Returns the number of freed bytes. Call this every
   * second.
   */
  trim(nowMs: number): number;
}

/** Another process is in an operation on the same part of the table and does not finish it. */
export class TableBusyError extends Error {
  constructor() {
    super("another process of this gateway holds a part of the shared table and does not release it");
    this.name = "TableBusyError";
  }
}
