import type { VerifiedPeers } from "../../core/buckets.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryVerifiedPeersOptions {
  /** How long a pair of address and session stays verified. */
  readonly ttlMs: number;
  /** Capacity of each of the two tables: pairs of address and session, and addresses. up to 62 bytes each. */
  readonly entriesMax: number;
  /** 16 secret bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
}

/**
 * Verified peers in this process's memory. A full table accepts no new ones. A fingerprint collision exempts an unverified peer from the
 * failure budget, which gives it one attempt.
 */
export class MemoryVerifiedPeers implements VerifiedPeers {
  readonly #pairs: GrowingTable;
  readonly #networks: GrowingTable;
  readonly #fingerprint: Fingerprint;
  readonly #ttlMs: number;

  constructor(options: MemoryVerifiedPeersOptions) {
    this.#pairs = new GrowingTable(options.entriesMax);
    this.#networks = new GrowingTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
    this.#ttlMs = options.ttlMs;
  }

  /** Frees memory. Call it every second. */
  trim(nowMs: number): void {
    this.#pairs.trim(nowMs);
    this.#networks.trim(nowMs);
  }

  remember(peerNetwork: string, deviceSessionId: string, nowMs: number): void {
    this.#fingerprint.compute(peerNetwork, deviceSessionId);
    this.#mark(this.#pairs, nowMs);
    this.#fingerprint.compute(peerNetwork, "");
    this.#mark(this.#networks, nowMs);
  }

  has(peerNetwork: string, deviceSessionId: string, nowMs: number): boolean {
    this.#fingerprint.compute(peerNetwork, deviceSessionId);
    return this.#isMarked(this.#pairs, nowMs);
  }

  hasAny(peerNetwork: string, nowMs: number): boolean {
    this.#fingerprint.compute(peerNetwork, "");
    return this.#isMarked(this.#networks, nowMs);
  }

  #mark(table: GrowingTable, nowMs: number): void {
    const slot = table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
    if (slot !== NO_SLOT) table.setExpiry(slot, nowMs + this.#ttlMs);
  }

  #isMarked(table: GrowingTable, nowMs: number): boolean {
    const slot = table.find(this.#fingerprint.low, this.#fingerprint.high);
    if (slot === NO_SLOT) return false;
    // An expiry more than one ttl ahead was set before the clock was set back. It counts as expired: too early, never too late.
    const leftMs = table.expiryMs(slot) - nowMs;
    return leftMs > 0 && leftMs <= this.#ttlMs;
  }
}
