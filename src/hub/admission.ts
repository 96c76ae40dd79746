import { refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { Subscriber } from "./subscription.ts";

/** A subscription request that passed every check of the pipeline. */
export interface Admission extends Subscriber {
  readonly requestId: string;
  /**
   * The session was active up to this position in the revocation log. A later revocation may have ended the session; see
   * `RevocationLog.revokedSince`.
   */
  readonly mark: number;
  /** The id of the last event that the client received; `undefined` if the client does not resume a stream. */
  readonly resumeAfter: string | undefined;
}

/**
 * Throws SESSION_REVOKED if the session was revoked after its look-up. Throws SESSION_LOOKUP_UNAVAILABLE if a revocation after
 * the look-up may have been lost.
 *
 * A look-up whose `mark` is lower than `validFromMark` is invalid: a later revocation may have been lost.
 */
export function checkNotRevoked(
  { mark, deviceSessionId, userId }: Admission,
  validFromMark: number,
  revocations: Pick<RevocationLog, "revokedSince">,
): void {
  if (mark < validFromMark) throw lookUpUnavailable("revocations possibly lost after the look-up");
  const since = revocations.revokedSince(mark, deviceSessionId, userId);
  if (since === "revoked") throw refuse("SESSION_REVOKED");
  if (since === "unknown") throw lookUpUnavailable("more revocations than the revocation log holds after the look-up");
}

function lookUpUnavailable(cause: string) {
  return refuse("SESSION_LOOKUP_UNAVAILABLE", { cause });
}
