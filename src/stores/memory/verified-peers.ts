import type { VerifiedPeers } from "../../core/ports.ts";
import { ExpiringTable, NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";

export interface MemoryVerifiedPeersOptions {
  /** How long a session that verified from an address is remembered there. */
  readonly ttlMs: number;
  /** Pairs of address and session held at once, and addresses; 41 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/**
 * Verified peers in this process's memory. When full, it does not take on new ones. A collision of fingerprints exempts a peer from
 * the failure budget that has not verified, which gains it an attempt and no more.
 */
export class MemoryVerifiedPeers implements VerifiedPeers {
  /** Of pairs, and of addresses alone. */
  readonly #table: ExpiringTable;
  readonly #networks: ExpiringTable;
  readonly #fingerprint: Fingerprint;
  readonly #ttlMs: number;

  constructor(options: MemoryVerifiedPeersOptions) {
    this.#table = new ExpiringTable(options.entriesMax);
    this.#networks = new ExpiringTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
    this.#ttlMs = options.ttlMs;
  }

  remember(peerNetwork: string, deviceSessionId: string, nowMs: number): void {
    this.#fingerprint.take(peerNetwork, deviceSessionId);
    this.#mark(this.#table, nowMs);
    this.#fingerprint.take(peerNetwork, "");
    this.#mark(this.#networks, nowMs);
  }

  has(peerNetwork: string, deviceSessionId: string, nowMs: number): boolean {
    this.#fingerprint.take(peerNetwork, deviceSessionId);
    return this.#isMarked(this.#table, nowMs);
  }

  hasAny(peerNetwork: string, nowMs: number): boolean {
    this.#fingerprint.take(peerNetwork, "");
    return this.#isMarked(this.#networks, nowMs);
  }

  #mark(table: ExpiringTable, nowMs: number): void {
    const slot = table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot !== NO_SLOT) table.setExpiry(slot, nowMs + this.#ttlMs);
  }

  #isMarked(table: ExpiringTable, nowMs: number): boolean {
    const slot = table.find(this.#fingerprint.low, this.#fingerprint.high);
    if (slot === NO_SLOT) return false;
    // What expires later than if it were remembered now is from before the clock stepped back: forget it early, not late.
    const leftMs = table.expiryMs(slot) - nowMs;
    return leftMs > 0 && leftMs <= this.#ttlMs;
  }
}
