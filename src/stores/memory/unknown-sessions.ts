import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

/**
 * Session ids that the session source does not know. Each id expires after its time to live.
 *
 * - These ids are stored apart from known sessions. So invented ids evict no session.
 * - A full table stores no new ids.
 * - The table stores only a hash of each id (`Fingerprint`). If the id of a real session has the same hash, this session counts
 *   as unknown until the stored id expires.
 */
export class UnknownSessions {
  readonly #table: GrowingTable;
  readonly #fingerprint: Fingerprint;

  constructor(entriesMax: number, seed: Uint8Array) {
    this.#table = new GrowingTable(entriesMax);
    this.#fingerprint = new Fingerprint(seed);
  }

  /** Frees the memory of expired ids. Returns the number of freed bytes. Call this method every second. */
  trim(nowMs: number): number {
    return this.#table.trim(nowMs);
  }

  remember(deviceSessionId: string, nowMs: number, ttlMs: number): void {
    this.#fingerprint.compute("", deviceSessionId);
    const slot = this.#table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot !== NO_SLOT) this.#table.setExpiry(slot, nowMs + ttlMs);
  }

  has(deviceSessionId: string, nowMs: number): boolean {
    this.#fingerprint.compute("", deviceSessionId);
    const slot = this.#table.find(this.#fingerprint.low, this.#fingerprint.high);
    return slot !== NO_SLOT && this.#table.expiryMs(slot) > nowMs;
  }
}
