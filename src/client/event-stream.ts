import type { GatewayEvent } from "../gen/sallyport/v1/gateway_pb.ts";
import { UntrustedResponseError } from "./errors.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { member, numberMember, textMember } from "./json.ts";
import type { SignedEnvelope } from "./request-signer.ts";
import type { StreamEvents } from "./seen-events.ts";
import { type VerifiedEvent, verifyEvent } from "./verify.ts";

/**
 * The events of one stream, each verified before it is handed out. The first says who we are to the gateway, and proves by our
 * request id that the stream is an answer to us and now; those after it must be for our session, our user or all. What is played again is
 * dropped.
 */
export async function* verifiedEvents(
  messages: AsyncIterable<GatewayEvent>,
  request: SignedEnvelope,
  keys: GatewayKeySource,
  stream: StreamEvents,
): AsyncGenerator<VerifiedEvent, void, undefined> {
  let audiences: ReadonlySet<string> | undefined;
  for await (const message of messages) {
    const event = await verifyEvent(message, keys);
    if (audiences === undefined) {
      audiences = audiencesOf(event, request);
      const serverTimeMs = numberMember(event.payload, "server_time_ms");
      const isResumed = member(event.payload, "resumed") === true;
      if (serverTimeMs !== undefined && !isResumed) stream.beginsAt(serverTimeMs);
    }
    if (!audiences.has(event.audience)) throw new UntrustedResponseError("audience");
    if (message.envelope !== undefined && stream.admit(message.envelope)) yield event;
  }
  if (audiences === undefined) throw new UntrustedResponseError("first_event");
}

function audiencesOf(first: VerifiedEvent, request: SignedEnvelope): ReadonlySet<string> {
  const session = `session:${request.deviceSessionId}`;
  const userId = textMember(first.payload, "user_id");
  const isServerTime = first.eventType === "gateway.server_time" && first.audience === session;
  if (!isServerTime || !userId) throw new UntrustedResponseError("first_event");
  if (textMember(first.payload, "request_id") !== request.requestId) throw new UntrustedResponseError("request_id");
  return new Set([session, `user:${userId}`, "all"]);
}
