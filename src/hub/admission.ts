import { refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { Subscriber } from "./subscription.ts";

/** A subscription request that passed every check of the pipeline. */
export interface Admission extends Subscriber {
  readonly requestId: string;
  /** The position in the revocation log up to which the session is known to be active; see `RevocationLog.revokedSince`. */
  readonly mark: number;
  /** The id of the last event that the client received; `undefined` if the client does not resume a stream. */
  readonly resumeAfter: string | undefined;
}

/**
 * `validFromMark`: look-ups with a lower position in the revocation log are invalid. Throws:
 * - SESSION_REVOKED if the session was revoked after its look-up.
 * - SESSION_LOOKUP_UNAVAILABLE if a revocation may have been lost after the look-up.
 */
export function checkNotRevoked(
  { mark, deviceSessionId, userId }: Admission,
  validFromMark: number,
  revocations: Pick<RevocationLog, "revokedSince">,
): void {
  if (mark < validFromMark) throw lookUpUnavailable("push feed gap after the look-up");
  const since = revocations.revokedSince(mark, deviceSessionId, userId);
  if (since === "revoked") throw refuse("SESSION_REVOKED");
  if (since === "unknown") throw lookUpUnavailable("revocation log overflowed after the look-up");
}

function lookUpUnavailable(cause: string) {
  return refuse("SESSION_LOOKUP_UNAVAILABLE", { cause });
}
