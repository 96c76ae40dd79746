import { ExpiringTable, NO_SLOT } from "./expiring-table.ts";
import { Fingerprint } from "./fingerprint.ts";

/**
 * Ids that no session has, for a while. Apart from the sessions, so that made-up ids displace no real session; when full, it does not
 * take on new ones. A collision of fingerprints makes a session unknown for that while.
 */
export class UnknownSessions {
  readonly #table: ExpiringTable;
  readonly #fingerprint: Fingerprint;

  constructor(entriesMax: number, seed: Uint8Array) {
    this.#table = new ExpiringTable(entriesMax);
    this.#fingerprint = new Fingerprint(seed);
  }

  remember(deviceSessionId: string, nowMs: number, ttlMs: number): void {
    this.#fingerprint.take("", deviceSessionId);
    const slot = this.#table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot !== NO_SLOT) this.#table.setExpiry(slot, nowMs + ttlMs);
  }

  has(deviceSessionId: string, nowMs: number): boolean {
    this.#fingerprint.take("", deviceSessionId);
    const slot = this.#table.find(this.#fingerprint.low, this.#fingerprint.high);
    return slot !== NO_SLOT && this.#table.expiryMs(slot) > nowMs;
  }
}
