import type { Call } from "./call.ts";
import { unpackedBytesMax } from "./compression.ts";
import { CHEAP_MESSAGE_BYTES_MAX, PACKED_BYTES_PER_FAILURE, UNPACKED_BYTES_PER_FAILURE } from "./limits.ts";

/**
 * Limits the work that a peer can cause with failing requests: each failure spends the peer's failure budget. A cost is a
 * number of failures.
 */
export interface PeerGuard<Peer> {
  /** Throws a refusal if the peer's failure budget does not cover `cost`. Spends nothing. Must be synchronous. */
  check(peer: Peer, cost: number): void;
  /**
   * Spends `cost` from the peer's failure budget. Called in two cases:
   *
   * - A request cannot be decoded.
   * - A bidirectional stream has received another `MESSAGES_PER_FAILURE` messages.
   */
  charge(peer: Peer, cost: number): void | Promise<void>;
}

/**
 * Checks the peer of a call with the peer guard. If the guard refuses the peer, sets `call.isPeerRefused`, so that this refusal
 * is not charged to the peer.
 */
export function checkPeer<Peer>(call: Call<Peer>, cost: number, guard: PeerGuard<Peer>): void {
  try {
    guard.check(call.peer, cost);
  } catch (thrown) {
    call.isPeerRefused = true;
    throw thrown;
  }
}

/**
 * Returns the maximum cost of decompressing and decoding a message, as a number of failures. One failure stands for about 2 ms
 * of CPU time. An uncompressed message of at most `CHEAP_MESSAGE_BYTES_MAX` costs 0.
 */
export function decodingCost(bytes: number, isPacked: boolean, bytesMax: number): number {
  if (!isPacked) return bytes <= CHEAP_MESSAGE_BYTES_MAX ? 0 : 1;
  const unpackedBytes = unpackedBytesMax(bytes, bytesMax);
  return Math.ceil(Math.max(1, bytes / PACKED_BYTES_PER_FAILURE, unpackedBytes / UNPACKED_BYTES_PER_FAILURE));
}
