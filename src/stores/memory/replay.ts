import type { ReplayStore } from "../../core/admission.ts";
import type { Clock } from "../../core/clock.ts";
import { refuse } from "../../core/refusal.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryReplayOptions {
  /** Maximum number of reservations. Each reservation takes up to 62 bytes. */
  readonly entriesMax: number;
  /** The secret seed of the fingerprints, 16 bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/**
 * Reservations in this process's memory. A replayed request is never accepted.
 *
 * - If the fingerprints of two requests collide, the second request is refused as a replay. With ten million reservations, the
 *   probability is 5 in 10¹³ per request.
 * - If the clock was set back, a request whose reservation was evicted may be in the freshness window again. So a request is
 *   refused as `REPLAY_STORE_UNAVAILABLE`, unless its reservation would expire later than all evicted reservations.
 * - A clock step causes no refusals if it is smaller than the margin that the pipeline adds to the freshness window.
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #clock: Clock;
  readonly #table: GrowingTable;
  readonly #fingerprint: Fingerprint;

  constructor(clock: Clock, options: MemoryReplayOptions) {
    this.#clock = clock;
    this.#table = new GrowingTable(options.entriesMax);
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
    const nowMs = this.#clock.now();
    this.#fingerprint.compute(deviceSessionId, requestId);
    const slot = this.#table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot === NO_SLOT) throw refuse("REPLAY_STORE_UNAVAILABLE", { cause: new Error("the replay store is full") });
    if (this.#table.expiryMs(slot) > nowMs) return false;
    if (!this.#wouldBeStored(expiresAtMs, nowMs)) {
      throw refuse("REPLAY_STORE_UNAVAILABLE", {
        cause: new Error("the reservation may already be evicted, because the clock was set back"),
      });
    }
    this.#table.setExpiry(slot, expiresAtMs);
    return true;
  }

  /**
   * Returns true if an earlier reservation with this expiry would still be in the table. So if the table has no reservation,
   * the request id was not used before.
   */
  #wouldBeStored(expiresAtMs: number, nowMs: number): boolean {
    return expiresAtMs > nowMs && expiresAtMs > this.#table.evictedUntilMs;
  }
}
