import type { VerifiedPeers } from "../../core/buckets.ts";
import type { FingerprintTable } from "../table.ts";
import { NO_SLOT } from "./expiring-table.ts";
import { Fingerprint, randomSeed } from "./fingerprint.ts";
import { GrowingTable } from "./growing-table.ts";

export interface MemoryVerifiedPeersOptions {
  /** Time after which a verified peer expires, in ms. */
  readonly ttlMs: number;
  /**
   * Maximum number of entries per table. One table stores pairs of network and session, the other table stores networks. Each
   * entry takes up to 62 bytes.
   */
  readonly entriesMax: number;
  /** The secret seed of the fingerprints, 16 bytes; random by default. */
  readonly seed?: Uint8Array | undefined;
  /** The two tables. Default: new tables in this process's memory. Set them together with `seed` to share them. */
  readonly tables?: { readonly pairs: FingerprintTable; readonly networks: FingerprintTable } | undefined;
}

/**
 * Verified peers in this process's memory, or in memory that several processes share. A verified peer is a pair of network and
 * session. A full table stores no new peers.
 *
 * If an unverified peer has the same fingerprint as a verified peer, the unverified peer also counts as verified. It gets its
 * own failure bucket, so the failure bucket of its network does not limit it.
 */
export class MemoryVerifiedPeers implements VerifiedPeers {
  readonly #pairs: FingerprintTable;
  readonly #networks: FingerprintTable;
  /** The argument of `FingerprintTable.enter`, which takes an array. One array for all calls saves allocations. */
  readonly #highs: number[] = [];
  readonly #fingerprint: Fingerprint;
  readonly #ttlMs: number;

  constructor(options: MemoryVerifiedPeersOptions) {
    this.#pairs = options.tables?.pairs ?? new GrowingTable(options.entriesMax);
    this.#networks = options.tables?.networks ?? new GrowingTable(options.entriesMax);
    this.#fingerprint = new Fingerprint(options.seed ?? randomSeed());
    this.#ttlMs = options.ttlMs;
  }

  /** Frees the memory of expired entries. Returns the number of freed bytes. Call this method every second. */
  trim(nowMs: number): number {
    return this.#pairs.trim(nowMs) + this.#networks.trim(nowMs);
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

  #mark(table: FingerprintTable, nowMs: number): void {
    this.#inTable(table, () => {
      const slot = table.claim(this.#fingerprint.low, this.#fingerprint.high, nowMs);
      if (slot !== NO_SLOT) table.setExpiry(slot, nowMs + this.#ttlMs);
      return true;
    });
  }

  #isMarked(table: FingerprintTable, nowMs: number): boolean {
    return this.#inTable(table, () => {
      const slot = table.find(this.#fingerprint.low, this.#fingerprint.high);
      if (slot === NO_SLOT) return false;
      // If the expiry is more than `#ttlMs` ahead, the clock was set back after the entry was stored. The entry then counts as
      // expired. So an entry may expire too early, but never too late.
      const leftMs = table.expiryMs(slot) - nowMs;
      return leftMs > 0 && leftMs <= this.#ttlMs;
    });
  }

  /**
   * Runs an operation on the entry of the fingerprint in `#fingerprint`. If the table is busy, does nothing and returns `false`,
   * so that the peer counts as unverified.
   */
  #inTable(table: FingerprintTable, operate: () => boolean): boolean {
    this.#highs[0] = this.#fingerprint.high;
    try {
      table.enter(this.#highs, 1);
    } catch {
      return false;
    }
    try {
      return operate();
    } finally {
      table.leave();
    }
  }
}
