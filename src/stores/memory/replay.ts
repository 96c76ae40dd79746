import type { Clock } from "../../core/clock.ts";
import type { ReplayStore } from "../../core/ports.ts";
import { refuse } from "../../core/refusal.ts";
import { ExpiringTable, NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";

export interface MemoryReplayOptions {
  /** Reservations held at once; 41 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/**
 * Reservations in this process's memory. A collision of fingerprints refuses a fresh request as replayed, and never admits a replayed
 * one. Its chance is one in 2⁶⁴ for each reservation held: 5 in 10¹³ requests at ten million.
 *
 * A clock that steps back makes old requests fresh again whose reservations may be gone. So whatever would expire by the time up to
 * which reservations were forgotten is refused as `REPLAY_STORE_UNAVAILABLE`, until the clock has caught up. A step within the
 * margin that the pipeline adds to its window goes unnoticed.
 */
export class MemoryReplayStore implements ReplayStore {
  readonly #clock: Clock;
  readonly #table: ExpiringTable;
  readonly #fingerprint: Fingerprint;

  constructor(clock: Clock, options: MemoryReplayOptions) {
    this.#clock = clock;
    this.#table = new ExpiringTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
  }

  /** Reservations held, and expired ones not yet reused. */
  get entries(): number {
    return this.#table.occupied;
  }

  reserve(deviceSessionId: string, requestId: string, expiresAtMs: number): boolean {
    const nowMs = this.#clock.now();
    this.#fingerprint.take(deviceSessionId, requestId);
    const slot = this.#table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot === NO_SLOT) throw refuse("REPLAY_STORE_UNAVAILABLE", { cause: new Error("the replay store is full") });
    if (this.#table.expiryMs(slot) > nowMs) return false;
    if (!this.#keeps(expiresAtMs, nowMs)) {
      throw refuse("REPLAY_STORE_UNAVAILABLE", { cause: new Error("the reservation may have been forgotten already") });
    }
    this.#table.setExpiry(slot, expiresAtMs);
    return true;
  }

  /** Whether a reservation until then would still be remembered, had it been made before. */
  #keeps(expiresAtMs: number, nowMs: number): boolean {
    return expiresAtMs > nowMs && expiresAtMs > this.#table.forgottenMs;
  }
}
