import type { ForwardedHeaders } from "../core/backend.ts";
import { refuse } from "../core/refusal.ts";
import type { PipelinePorts } from "./ports.ts";
import type { AdmittedRequest } from "./proof.ts";
import { type SignedReply, signReply } from "./reply.ts";
import { recheckSession } from "./session.ts";

type CommandPorts = Pick<PipelinePorts, "sessions" | "revocations" | "signer" | "clock">;

/**
 * Check 8 of a command. Calls the backend through the route of the request, and signs the reply. If the session was revoked
 * after check 2, throws SESSION_REVOKED instead of calling the backend.
 */
export async function runCommand(
  request: AdmittedRequest,
  headers: ForwardedHeaders,
  ports: CommandPorts,
  signal: AbortSignal,
): Promise<SignedReply> {
  const { route, envelope, session, peer, payloadBytes } = request;
  if (route === undefined) throw refuse("MESSAGE_TYPE_UNKNOWN");
  const { messageType, requestId } = envelope;
  const { deviceSessionId, userId } = session;
  const command = { messageType, requestId, deviceSessionId, userId, payloadBytes, peerAddress: peer.address, ...headers };
  const mayBeSent = recheckSession(request, ports.sessions, ports.revocations);
  const reply = await route.execute(command, signal, mayBeSent);
  return signReply(request, reply, ports.signer, ports.clock);
}
