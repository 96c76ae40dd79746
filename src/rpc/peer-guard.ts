import type { Call } from "./call.ts";
import { unpackedBytesMax } from "./compression.ts";
import { CHEAP_MESSAGE_BYTES_MAX, PACKED_BYTES_PER_FAILURE, UNPACKED_BYTES_PER_FAILURE } from "./limits.ts";

/** Stands between a peer and what it costs to read its requests. */
export interface PeerGuard<Peer> {
  /** Throws what the peer is refused with, where it may not have something of that cost read. Takes nothing, and answers at once. */
  check(peer: Peer, cost: number): void;
  /** Charges the peer for a request of that cost which could not be decoded. */
  charge(peer: Peer, cost: number): void | Promise<void>;
}

/** Lets the guard check a call. What it throws is not charged to the peer again. */
export function checkPeer<Peer>(call: Call<Peer>, cost: number, guard: PeerGuard<Peer>): void {
  try {
    guard.check(call.peer, cost);
  } catch (thrown) {
    call.isPeerRefused = true;
    throw thrown;
  }
}

/** What it may cost to unpack and decode a message: as many failures, each of some 2 ms at most; 0 where it is cheap. */
export function decodingCost(bytes: number, isPacked: boolean, bytesMax: number): number {
  if (!isPacked) return bytes <= CHEAP_MESSAGE_BYTES_MAX ? 0 : 1;
  const unpackedBytes = unpackedBytesMax(bytes, bytesMax);
  return Math.ceil(Math.max(1, bytes / PACKED_BYTES_PER_FAILURE, unpackedBytes / UNPACKED_BYTES_PER_FAILURE));
}
