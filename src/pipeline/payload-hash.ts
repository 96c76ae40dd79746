import { refuse } from "../core/refusal.ts";
import { sha256 } from "../crypto/ed25519.ts";
import { type IntactPayload, type KnownSession, proven } from "./proof.ts";

/**
 * Check 3. Throws unless the SHA-256 of the payload bytes is the `payload_hash` of the envelope. The bytes are hashed as
 * received, never after re-encoding.
 */
export function checkPayloadHash(request: KnownSession): IntactPayload {
  const actual = sha256(request.payloadBytes);
  if (Buffer.compare(actual, request.envelope.payloadHash) !== 0) throw refuse("PAYLOAD_HASH_MISMATCH");
  return proven<IntactPayload>(request);
}
