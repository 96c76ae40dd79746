import type { ReplayStore } from "../../core/admission.ts";
import type { Clock } from "../../core/clock.ts";
import { refuse } from "../../core/refusal.ts";
import type { FingerprintTable } from "../table.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryReplayOptions {
  /** Maximum number of reservations. Each reservation takes up to 62 bytes. */
  readonly entriesMax: number;
  /** The secret seed for the fingerprints (hashes) of request ids, 16 bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
  /** The table of the reservations. Default: a new table in this process's memory. To share a table, set `table` and `seed`. */
  readonly table?: FingerprintTable | undefined;
}

/**
 * Reservations in this process's memory, or in memory that several processes share. A replayed request is never accepted.
 *
 * - If the fingerprints (hashes) of two requests collide, the second request is refused as a replay. With ten million reservations,
 *   the probability is 5 in 10¹³ per request.
 * - If the clock was set back, an old request may be in the freshness window again, although its reservation was evicted. So a
 *   request is accepted only if its reservation expires later than all evicted reservations. Otherwise it is refused as
 *   `REPLAY_STORE_UNAVAILABLE`.
 * - A clock step causes no refusals if it is smaller than the margin that the pipeline adds to the freshness window.
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #clock: Clock;
  readonly #table: FingerprintTable;
  /** The argument of `FingerprintTable.enter`, which takes an array. One array for all calls saves allocations. */
  readonly #highs: number[] = [];
  readonly #fingerprint: Fingerprint;

  constructor(clock: Clock, options: MemoryReplayOptions) {
    this.#clock = clock;
    this.#table = options.table ?? new GrowingTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
  }

  /** The number of stored reservations. Expired reservations are included until their slot is reused. */
  get entries(): number {
    return this.#table.occupied;
  }

  /** Frees the memory of expired reservations. Returns the number of freed bytes. Call this method every second. */
  trim(): number {
    return this.#table.trim(this.#clock.now());
  }

  reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): boolean {
    this.#fingerprint.compute(deviceSessionId, requestId);
    this.#highs[0] = this.#fingerprint.high;
    try {
      this.#table.enter(this.#highs, 1);
    } catch (cause) {
      throw refuse("REPLAY_STORE_UNAVAILABLE", { cause });
    }
    try {
      return this.#reserve(expiresAtMs);
    } finally {
      this.#table.leave();
    }
  }

  #reserve(expiresAtMs: number): boolean {
    // The time is read after `enter`, because `enter` may wait.
    const nowMs = this.#clock.now();
    const slot = this.#table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot === NO_SLOT) throw refuse("REPLAY_STORE_UNAVAILABLE", { cause: new Error("the replay store is full") });
    if (this.#table.expiryMs(slot) > nowMs) return false;
    if (!this.#wouldBeStored(slot, expiresAtMs, nowMs)) {
      throw refuse("REPLAY_STORE_UNAVAILABLE", {
        cause: new Error("the reservation may already be evicted, because the clock was set back"),
      });
    }
    this.#table.setExpiry(slot, expiresAtMs);
    return true;
  }

  /**
   * Returns true if no reservation with this expiry can have been evicted. If the table also has no reservation for the request
   * id, this id was not used before.
   */
  #wouldBeStored(slot: number, expiresAtMs: number, nowMs: number): boolean {
    return expiresAtMs > nowMs && expiresAtMs > this.#table.evictedUntilMs(slot);
  }
}
