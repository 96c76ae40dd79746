import type { ForwardedHeaders } from "../core/backend.ts";
import { refuse } from "../core/refusal.ts";
import { type AnswerPorts, type AnswerSource, answerOnce } from "./kept-answer.ts";
import type { PipelinePorts } from "./ports.ts";
import type { AdmittedRequest } from "./proof.ts";
import { type SignedReply, signReply } from "./reply.ts";
import { recheckSession } from "./session.ts";

type CommandPorts = AnswerPorts & Pick<PipelinePorts, "sessions" | "revocations" | "signer">;

export interface CommandAnswer {
  readonly signed: SignedReply;
  readonly source: AnswerSource;
}

/**
 * Check 8 of a command. Calls the backend through the route of the request, and signs the reply. If the session was revoked
 * after check 2, throws SESSION_REVOKED instead of calling the backend.
 *
 * If the request has an idempotency key, first looks up the key.
 */
export async function runCommand(
  request: AdmittedRequest,
  headers: ForwardedHeaders,
  ports: CommandPorts,
  signal: AbortSignal,
): Promise<CommandAnswer> {
  const { route, envelope, session, peer, payloadBytes } = request;
  if (route === undefined) throw refuse("MESSAGE_TYPE_UNKNOWN");
  const { messageType, requestId, idempotencyKey } = envelope;
  const { deviceSessionId, userId } = session;
  const ids = { messageType, requestId, idempotencyKey, deviceSessionId, userId };
  const command = { ...ids, payloadBytes, peerAddress: peer.address, ...headers };
  const mayBeSent = recheckSession(request, ports.sessions, ports.revocations);
  const { reply, source } =
    idempotencyKey !== ""
      ? await answerOnce(request, route, (...call) => route.execute(command, ...call), mayBeSent, ports, signal)
      : { reply: await route.execute(command, signal, mayBeSent), source: "backend" as const };
  return { signed: signReply(request, reply, ports.signer, ports.clock), source };
}
