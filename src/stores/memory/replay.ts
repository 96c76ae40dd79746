import type { ReplayStore } from "../../core/admission.ts";
import type { Clock } from "../../core/clock.ts";
import { refuse } from "../../core/refusal.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryReplayOptions {
  /** Capacity: reservations, up to 62 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/**
 * Reservations in this process's memory. A fingerprint collision refuses a fresh request as replayed; it never accepts a replayed one. The
 * chance is 2⁻⁶⁴ per stored reservation: 5 in 10¹³ requests at ten million reservations.
 *
 * After the clock was set back, old requests are fresh again, but their reservations may already be evicted. A request is refused as
 * `REPLAY_STORE_UNAVAILABLE` if its reservation would expire before the latest expiry that was evicted. A step smaller than the margin
 * that the pipeline adds to its window refuses no request.
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

  /** Includes expired reservations whose slot was not yet reused. */
  get entries(): number {
    return this.#table.occupied;
  }

  /** Frees memory. Call it every second. */
  trim(): void {
    this.#table.trim(this.#clock.now());
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

  /** Whether an earlier reservation with this expiry would still be stored. */
  #wouldBeStored(expiresAtMs: number, nowMs: number): boolean {
    return expiresAtMs > nowMs && expiresAtMs > this.#table.evictedUntilMs;
  }
}
