import type { Call } from "./call.ts";
import { unpackedBytesMax } from "./compression.ts";
import { CHEAP_MESSAGE_BYTES_MAX, PACKED_BYTES_PER_FAILURE, UNPACKED_BYTES_PER_FAILURE } from "./limits.ts";

/** Limits the cost that reading a peer's requests may cause. */
export interface PeerGuard<Peer> {
  /** Throws a refusal if the peer's budget does not cover the cost. Synchronous, and takes nothing from the budget. */
  check(peer: Peer, cost: number): void;
  /** Charges the peer for a request that could not be decoded. */
  charge(peer: Peer, cost: number): void | Promise<void>;
}

/** Checks a call by the guard. A refusal by the guard is not charged to the peer. */
export function checkPeer<Peer>(call: Call<Peer>, cost: number, guard: PeerGuard<Peer>): void {
  try {
    guard.check(call.peer, cost);
  } catch (thrown) {
    call.isPeerRefused = true;
    throw thrown;
  }
}

/** The greatest cost of decompressing and decoding a message, in failures of at most about 2 ms each. 0 if it is cheap. */
export function decodingCost(bytes: number, isPacked: boolean, bytesMax: number): number {
  if (!isPacked) return bytes <= CHEAP_MESSAGE_BYTES_MAX ? 0 : 1;
  const unpackedBytes = unpackedBytesMax(bytes, bytesMax);
  return Math.ceil(Math.max(1, bytes / PACKED_BYTES_PER_FAILURE, unpackedBytes / UNPACKED_BYTES_PER_FAILURE));
}
