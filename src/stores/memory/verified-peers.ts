import type { VerifiedPeers } from "../../core/ports.ts";
import { ExpiringTable, NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";

export interface MemoryVerifiedPeersOptions {
  /** How long a session that verified from an address is remembered there. */
  readonly ttlMs: number;
  /** Pairs of address and session held at once; 41 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/**
 * Verified peers in this process's memory. When full, it does not take on new ones. A collision of fingerprints exempts a peer from
 * the failure budget that has not verified, which gains it an attempt and no more.
 */
export class MemoryVerifiedPeers implements VerifiedPeers {
  readonly #table: ExpiringTable;
  readonly #fingerprint: Fingerprint;
  readonly #ttlMs: number;

  constructor(options: MemoryVerifiedPeersOptions) {
    this.#table = new ExpiringTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
    this.#ttlMs = options.ttlMs;
  }

  remember(peerAddress: string, deviceSessionId: string, nowMs: number): void {
    this.#fingerprint.take(peerAddress, deviceSessionId);
    const slot = this.#table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot !== NO_SLOT) this.#table.setExpiry(slot, nowMs + this.#ttlMs);
  }

  has(peerAddress: string, deviceSessionId: string, nowMs: number): boolean {
    this.#fingerprint.take(peerAddress, deviceSessionId);
    const slot = this.#table.find(this.#fingerprint.low, this.#fingerprint.high);
    if (slot === NO_SLOT) return false;
    // What expires later than if it were remembered now is from before the clock stepped back: forget it early, not late.
    const leftMs = this.#table.expiryMs(slot) - nowMs;
    return leftMs > 0 && leftMs <= this.#ttlMs;
  }
}
