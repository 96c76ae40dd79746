import { Code, ConnectError } from "@connectrpc/connect";
import type { Peer } from "../core/admission.ts";
import { FETCH_ANSWER_MS_MAX, FETCH_BYTES_MAX } from "../core/limits.ts";
import { EventCollector } from "../hub/event-collector.ts";
import type { SignedMessage } from "../pipeline/proof.ts";
import type { Call } from "../rpc/call.ts";
import { EncodedMessage } from "../rpc/encoded-message.ts";
import { admitCall, type GatewayServiceParts } from "./admit-call.ts";
import { readFetchPayload } from "./event-payloads.ts";
import { encodeFetchResponse } from "./fetch-response.ts";

/**
 * Serves FetchEvents, a long poll. Returns the missed events at once. If none was missed, waits for the first event.
 *
 * While the call waits, it is a poll of the hub. It counts for the stream limits, and a revocation or a shutdown ends it.
 */
export async function fetchEvents(
  message: SignedMessage,
  call: Call<Peer>,
  parts: GatewayServiceParts,
): Promise<EncodedMessage> {
  const { envelope, session, mark, payloadBytes } = await admitCall("FetchEvents", message, call, parts);
  const { deviceSessionId, userId } = session;
  const { resumeAfter, waitMs, eventsMax } = readFetchPayload(payloadBytes);
  await parts.historyFilled();
  const { codec, protocol } = call;
  const collector = new EventCollector({ codec, protocol, eventsMax, bytesMax: FETCH_BYTES_MAX });
  const { network: peerNetwork } = call.peer;
  const admission = { deviceSessionId, userId, peerNetwork, mark, requestId: envelope.requestId, resumeAfter };
  const poll = parts.hub.poll(admission, collector);
  try {
    if (!collector.isReady) await waitUntilReady(collector, waitMs, call, parts);
    const frames = parts.hub.answer(poll);
    call.notes["events"] = frames.length;
    return new EncodedMessage(encodeFetchResponse(frames, codec));
  } finally {
    collector.cancel();
  }
}

/** Waits for the first event. Throws if the client disconnects or its timeout passes. */
async function waitUntilReady(
  collector: EventCollector,
  waitMs: number,
  call: Call<Peer>,
  { pipeline: { clock } }: GatewayServiceParts,
): Promise<void> {
  const startedAt = clock.monotonic();
  await readyOrLate(collector, Math.min(waitMs, timeLeftMs(call, startedAt)), call.signal);
  // The push feed delivers the events of one read in several microtasks. The next turn of the event loop has all of them.
  if (collector.isReady) await new Promise((resolve) => setImmediate(resolve));
  call.waitedMs = clock.monotonic() - startedAt;
  if (call.signal.aborted) throw new ConnectError("the client canceled the call", Code.Canceled);
}

/** Resolves when the collector is ready, after `waitMs`, and when the signal aborts. */
function readyOrLate(collector: EventCollector, waitMs: number, signal: AbortSignal): Promise<void> {
  if (waitMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener("abort", done);
    collector.onReady(done);
  });
}

/** Returns the time for which a call can wait, so that its answer arrives within the timeout that the client set. */
function timeLeftMs({ timeoutMs, startedAt }: Call<Peer>, nowMs: number): number {
  if (timeoutMs === undefined) return Number.POSITIVE_INFINITY;
  return startedAt + timeoutMs - Math.min(timeoutMs / 5, FETCH_ANSWER_MS_MAX) - nowMs;
}
