import type { SendCheck } from "../core/backend.ts";
import { refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { FoundSession, SessionDirectory } from "../core/sessions.ts";
import { type AdmittedRequest, type KnownSession, proven, type WellFormed } from "./proof.ts";

/**
 * Check 2. Throws unless the session exists and is active. The proof contains `mark`, a position in the revocation log. The
 * session was active up to this position. A later check searches the log for revocations after this position.
 */
export async function findSession(request: WellFormed, sessions: SessionDirectory): Promise<KnownSession> {
  const { session, mark } = activeOf(await sessions.find(request.envelope.deviceSessionId));
  const { rpc, peer, envelope, payloadBytes, signature } = request;
  return proven<KnownSession>({ rpc, peer, envelope, payloadBytes, signature, session, mark });
}

/**
 * Returns a function that repeats check 2 immediately before a command is sent to the backend. It throws SESSION_REVOKED if
 * the session was revoked after check 2.
 *
 * - If the command did not wait in a queue, the function searches the revocation log after the position `mark`.
 * - If the command waited, the function looks up the session again, because a revocation may have been lost during the wait.
 * - If the log no longer contains all entries after `mark`, the function also looks up the session again.
 */
export function recheckSession(
  { session, mark }: AdmittedRequest,
  sessions: SessionDirectory,
  revocations: Pick<RevocationLog, "revokedSince">,
): SendCheck {
  const { deviceSessionId, userId } = session;
  const isKnownActive = (asOf: number) => {
    const since = revocations.revokedSince(asOf, deviceSessionId, userId);
    if (since === "revoked") throw refuse("SESSION_REVOKED");
    return since === "not_revoked";
  };
  const lookUpAgain = async () => {
    const { mark: asOf } = activeOf(await sessions.find(deviceSessionId));
    if (!isKnownActive(asOf)) throw refuse("SESSION_LOOKUP_UNAVAILABLE");
  };
  return (waited) => (isKnownActive(mark) && !waited ? undefined : lookUpAgain());
}

function activeOf(found: FoundSession | undefined): FoundSession {
  if (found === undefined) throw refuse("SESSION_NOT_FOUND");
  if (found.session.status !== "active") throw refuse("SESSION_REVOKED");
  return found;
}
