import type { Peer } from "../core/admission.ts";
import { forwardedHeaders } from "../core/backend.ts";
import { Gateway, type GatewayEventSchema } from "../gen/sallyport/v1/gateway_pb.ts";
import { runCommand } from "../pipeline/command.ts";
import type { SignedMessage } from "../pipeline/proof.ts";
import type { Call } from "../rpc/call.ts";
import type { OutgoingStream } from "../rpc/outgoing-stream.ts";
import { type AnyMethod, serverStream, unary } from "../rpc/service.ts";
import { admitCall, type GatewayServiceParts } from "./admit-call.ts";
import { readSubscribePayload } from "./event-payloads.ts";
import { fetchEvents } from "./fetch-events.ts";

/**
 * Returns the RPCs of the contract: `ExecuteCommand`, `SubscribeEvents` and `FetchEvents`. Each RPC passes its decoded message
 * through the pipeline. Then commands go to the backend. Subscriptions and polls go to the hub.
 */
export function gatewayService(parts: GatewayServiceParts): readonly AnyMethod<Peer>[] {
  return [
    unary(Gateway.method.executeCommand, (message, call: Call<Peer>) => executeCommand(message, call, parts)),
    serverStream(Gateway.method.subscribeEvents, (message, call: Call<Peer>, stream) =>
      subscribeEvents(message, call, stream, parts),
    ),
    unary(Gateway.method.fetchEvents, (message, call: Call<Peer>) => fetchEvents(message, call, parts)),
  ];
}

/** This header marks an answer to an earlier request with the same idempotency key (proto/client.md, "Keep an answer"). */
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
  const { network: peerNetwork } = call.peer;
  stream.releaseRequest(parts.heartbeatMs);
  const admission = { deviceSessionId, userId, peerNetwork, mark, requestId: envelope.requestId, resumeAfter };
  await parts.streams.register(admission, stream);
}
