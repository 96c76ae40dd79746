import type { Peer } from "../core/admission.ts";
import { isDeviceSessionId, isIdempotencyKey, isMessageType, isRequestId } from "../core/grammar.ts";
import { refuse } from "../core/refusal.ts";
import { Gateway, type GatewayEventSchema } from "../gen/sallyport/v1/gateway_pb.ts";
import type { Hub } from "../hub/hub.ts";
import { runCommand } from "../pipeline/command.ts";
import { admit } from "../pipeline/pipeline.ts";
import type { PipelinePorts } from "../pipeline/ports.ts";
import type { AdmittedRequest, Rpc, SignedMessage } from "../pipeline/proof.ts";
import type { Call } from "../rpc/call.ts";
import type { OutgoingStream } from "../rpc/outgoing-stream.ts";
import { type AnyMethod, serverStream, unary } from "../rpc/service.ts";
import { forwardedHeaders } from "./forwarded-headers.ts";
import { readSubscribePayload } from "./subscribe-payload.ts";

export interface GatewayServiceParts {
  readonly pipeline: PipelinePorts;
  readonly hub: Hub;
  /** Interval between heartbeats on an idle stream. */
  readonly heartbeatMs: number;
  /** Returns true after shutdown has started. The gateway then refuses new calls and completes the running calls. */
  readonly isStopping: () => boolean;
  /** Resolves when the history is filled after a start, so that clients of before the restart can resume. */
  readonly historyFilled: () => Promise<void>;
}

/**
 * Returns the two RPCs of the contract, `ExecuteCommand` and `SubscribeEvents`. Both pass each decoded message through the
 * pipeline. Then a command goes to the backend, and a subscription goes to the hub.
 */
export function gatewayService(parts: GatewayServiceParts): readonly AnyMethod<Peer>[] {
  return [
    unary(Gateway.method.executeCommand, (message, call: Call<Peer>) => executeCommand(message, call, parts)),
    serverStream(Gateway.method.subscribeEvents, (message, call: Call<Peer>, stream) =>
      subscribeEvents(message, call, stream, parts),
    ),
  ];
}

/** Marks an answer that an earlier request with the same idempotency key got (proto/client.md, "Keep an answer"). */
const REPLAYED_HEADER = "idempotent-replayed";

async function executeCommand(message: SignedMessage, call: Call<Peer>, parts: GatewayServiceParts) {
  const admitted = await admitCall("ExecuteCommand", message, call, parts);
  const { signed, source } = await runCommand(admitted, forwardedHeaders(call.request.headers), parts.pipeline, call.signal);
  call.notes["result_code"] = signed.envelope.resultCode;
  if (source !== "backend") {
    call.notes["answer"] = source;
    call.responseHeader.set(REPLAYED_HEADER, "true");
  }
  return signed;
}

async function subscribeEvents(
  message: SignedMessage,
  call: Call<Peer>,
  stream: OutgoingStream<typeof GatewayEventSchema>,
  parts: GatewayServiceParts,
): Promise<void> {
  const { envelope, session, mark, payloadBytes } = await admitCall("SubscribeEvents", message, call, parts);
  const { deviceSessionId, userId } = session;
  const { resumeAfter } = readSubscribePayload(payloadBytes);
  await parts.historyFilled();
  const { network: peerNetwork } = call.peer;
  stream.releaseRequest(parts.heartbeatMs);
  parts.hub.register({ deviceSessionId, userId, peerNetwork, mark, requestId: envelope.requestId, resumeAfter }, stream);
}

function admitCall(rpc: Rpc, message: SignedMessage, call: Call<Peer>, parts: GatewayServiceParts): Promise<AdmittedRequest> {
  if (parts.isStopping()) throw refuse("SHUTTING_DOWN");
  noteEnvelope(message, call);
  return admit({ rpc, message, peer: call.peer, cost: call.cost }, parts.pipeline).then((admitted) => {
    call.notes["user_id"] = admitted.session.userId;
    return admitted;
  });
}

/**
 * Adds the ids and the message type of the envelope to the log line of the call. They are not verified yet. A value with
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
