import { refuse } from "../core/refusal.ts";
import { sha256 } from "../crypto/ed25519.ts";
import { type IntactPayload, type KnownSession, proven } from "./proof.ts";

/** Check 3. The SHA-256 of the payload bytes, as received and never re-encoded, is the envelope's `payload_hash`. */
export function checkPayloadHash(request: KnownSession): IntactPayload {
  const actual = sha256(request.payloadBytes);
  if (Buffer.compare(actual, request.envelope.payloadHash) !== 0) throw refuse("PAYLOAD_HASH_MISMATCH");
  return proven<IntactPayload>(request);
}
