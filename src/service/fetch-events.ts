import { Code, ConnectError } from "@connectrpc/connect";
import type { Peer } from "../core/admission.ts";
import { FETCH_ANSWER_MS_MAX, FETCH_BYTES_MAX } from "../core/limits.ts";
import type { SignedMessage } from "../pipeline/proof.ts";
import type { Call } from "../rpc/call.ts";
import { EncodedMessage } from "../rpc/service.ts";
import { admitCall, type GatewayServiceParts } from "./admit-call.ts";
import { readFetchPayload } from "./event-payloads.ts";
import { encodeFetchResponse } from "./fetch-response.ts";

/**
 * Serves FetchEvents, a long poll. Returns missed events immediately. If no event was missed, waits for the first event.
 *
 * While the call waits, it is a poll of the hub. The poll counts towards the stream limits. A revocation or a shutdown ends it.
 */
export async function fetchEvents(
  message: SignedMessage,
  call: Call<Peer>,
  parts: GatewayServiceParts,
): Promise<EncodedMessage> {
  const { envelope, session, mark, payloadBytes } = await admitCall("FetchEvents", message, call, parts);
  const { deviceSessionId, userId } = session;
  const { resumeAfter, waitMs, eventsMax } = readFetchPayload(payloadBytes);
  const { codec, protocol } = call;
  const { network: peerNetwork } = call.peer;
  const admission = { deviceSessionId, userId, peerNetwork, mark, requestId: envelope.requestId, resumeAfter };
  const leftMs = timeLeftMs(call, parts.pipeline.clock.monotonic());
  const request = { codec, protocol, eventsMax, bytesMax: FETCH_BYTES_MAX, waitMs: Math.min(waitMs, leftMs) };
  const { frames, waitedMs } = await parts.streams.poll(admission, request, call.signal);
  if (waitedMs > 0) call.waitedMs = waitedMs;
  if (call.signal.aborted) throw new ConnectError("the client canceled the call", Code.Canceled);
  call.notes["events"] = frames.length;
  return new EncodedMessage(encodeFetchResponse(frames, codec));
}

/** Returns the maximum time for which a call may wait, in ms. The answer must still arrive within the client's timeout. */
function timeLeftMs({ timeoutMs, startedAt }: Call<Peer>, nowMs: number): number {
  if (timeoutMs === undefined) return Number.POSITIVE_INFINITY;
  return startedAt + timeoutMs - Math.min(timeoutMs / 5, FETCH_ANSWER_MS_MAX) - nowMs;
}
