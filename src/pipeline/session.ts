import type { SendCheck } from "../core/backend.ts";
import { refuse } from "../core/refusal.ts";
import type { RevocationLog } from "../core/revocation-log.ts";
import type { FoundSession, SessionDirectory } from "../core/sessions.ts";
import { type AdmittedRequest, type KnownSession, proven, type WellFormed } from "./proof.ts";

/**
 * Check 2. Throws unless the session exists and is active. The proof contains a mark of the revocation log, so that a later check
 * finds newer revocations.
 */
export async function findSession(request: WellFormed, sessions: SessionDirectory): Promise<KnownSession> {
  const { session, mark } = activeOf(await sessions.find(request.envelope.deviceSessionId));
  const { rpc, peer, envelope, payloadBytes, signature } = request;
  return proven<KnownSession>({ rpc, peer, envelope, payloadBytes, signature, session, mark });
}

/**
 * Returns the function that repeats check 2 immediately before a command is sent, because the session may have been revoked
 * since.
 *
 * If the command waited in the queue, the session is looked up again: a gap of the push feed may have hidden a revocation. If it
 * did not wait, the revocation log is sufficient, unless the log no longer reaches back to the mark.
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
