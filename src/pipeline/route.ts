import type { Backend, BackendReply, IncomingTrace, SendCheck } from "../core/ports.ts";
import { refuse } from "../core/refusal.ts";
import type { AdmittedRequest } from "./proof.ts";

/** What of the client's HTTP request is passed on to the backend. */
export interface ForwardedHeaders extends IncomingTrace {
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}

/** Check 8, for commands. An admitted command goes to the backend by its route, if its session is still active when its turn comes. */
export async function callBackend(
  request: AdmittedRequest,
  headers: ForwardedHeaders,
  backend: Backend,
  signal: AbortSignal,
  mayBeSent: SendCheck,
): Promise<BackendReply> {
  if (request.route === undefined) throw refuse("MESSAGE_TYPE_UNKNOWN");
  const { envelope, session, peer, payloadBytes } = request;
  const { messageType, requestId } = envelope;
  const { deviceSessionId, userId } = session;
  const command = { messageType, requestId, deviceSessionId, userId, payloadBytes, peerAddress: peer.address, ...headers };
  return backend.execute(command, signal, mayBeSent);
}
