import type { Peer } from "../core/admission.ts";
import { isDeviceSessionId, isIdempotencyKey, isMessageType, isRequestId } from "../core/grammar.ts";
import type { EventStreams } from "../hub/event-streams.ts";
import { admit } from "../pipeline/pipeline.ts";
import type { PipelinePorts } from "../pipeline/ports.ts";
import type { AdmittedRequest, Rpc, SignedMessage } from "../pipeline/proof.ts";
import type { Call } from "../rpc/call.ts";

export interface GatewayServiceParts {
  readonly pipeline: PipelinePorts;
  readonly streams: EventStreams;
  /** Interval between heartbeats on an idle stream, in ms. */
  readonly heartbeatMs: number;
  /** Returns true after shutdown has started. The gateway then refuses new calls and completes the running calls. */
  readonly isStopping: () => boolean;
}

/** Passes the message of a call through the pipeline. Throws the refusal of the first check that fails. */
export function admitCall(
  rpc: Rpc,
  message: SignedMessage,
  call: Call<Peer>,
  parts: GatewayServiceParts,
): Promise<AdmittedRequest> {
  if (parts.isStopping()) throw parts.streams.shuttingDown();
  noteEnvelope(message, call);
  return admit({ rpc, message, peer: call.peer, cost: call.cost }, parts.pipeline).then((admitted) => {
    call.notes["user_id"] = admitted.session.userId;
    return admitted;
  });
}

/**
 * Adds the ids and the message type of the envelope to the log line of the call. These values are not verified yet. A value with
 * invalid syntax is not added, because it may contain any text.
 */
function noteEnvelope({ envelope }: SignedMessage, { notes }: Call<Peer>): void {
  if (envelope === undefined) return;
  const { deviceSessionId, messageType, requestId, idempotencyKey } = envelope;
  notes["device_session_id"] = isDeviceSessionId(deviceSessionId) ? deviceSessionId : undefined;
  notes["message_type"] = isMessageType(messageType) ? messageType : undefined;
  notes["request_id"] = isRequestId(requestId) ? requestId : undefined;
  notes["idempotency_key"] = isIdempotencyKey(idempotencyKey) ? idempotencyKey : undefined;
}
