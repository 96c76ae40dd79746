import type { SessionDirectory } from "../core/ports.ts";
import { refuse } from "../core/refusal.ts";
import { type KnownSession, proven, type WellFormed } from "./proof.ts";

/** Check 2. The session exists and is active. The mark goes along: whoever registers a stream asks what has been revoked since. */
export async function findSession(request: WellFormed, sessions: SessionDirectory): Promise<KnownSession> {
  const found = await sessions.find(request.envelope.deviceSessionId);
  if (found === undefined) throw refuse("SESSION_NOT_FOUND");
  const { session, mark } = found;
  if (session.status !== "active") throw refuse("SESSION_REVOKED");
  const { rpc, peer, envelope, payloadBytes, signature } = request;
  return proven<KnownSession>({ rpc, peer, envelope, payloadBytes, signature, session, mark });
}
