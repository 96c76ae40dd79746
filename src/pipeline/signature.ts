import { refuse } from "../core/refusal.ts";
import { requestSigningInput } from "../crypto/signing-input.ts";
import { type IntactPayload, proven, type VerifiedCaller } from "./proof.ts";

/**
 * Check 4. Throws unless the signature of the envelope verifies with the device key of the session.
 * The key determines the algorithm. See proto/README.md, "What is signed".
 */
export function checkSignature(request: IntactPayload): VerifiedCaller {
  const input = requestSigningInput(request.envelope);
  const { key } = request.session;
  if (!key.verify(input, request.signature)) throw refuse("SIGNATURE_INVALID", { cause: key.rejectionCause });
  return proven<VerifiedCaller>(request);
}
