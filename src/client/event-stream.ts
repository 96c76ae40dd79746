import type { GatewayEvent } from "../gen/sallyport/v1/gateway_pb.ts";
import { UntrustedResponseError } from "./errors.ts";
import type { StreamFilter } from "./event-deduplicator.ts";
import type { GatewayKeySource } from "./gateway-keys.ts";
import { member, numberMember, textMember } from "./json.ts";
import type { SignedEnvelope } from "./request-signer.ts";
import { type VerifiedEvent, verifyEvent } from "./verify.ts";

/**
 * Verifies each event of one stream before it is yielded, and drops replays. Throws `UntrustedResponseError` if an event
 * violates a rule:
 * - The first event is `gateway.server_time`, and its audience is this session.
 * - The payload of the first event contains the user id, and the `request_id` of this subscription.
 * - The audience of every event is this session, this user, or `all`.
 */
export async function* verifiedEvents(
  messages: AsyncIterable<GatewayEvent>,
  request: SignedEnvelope,
  keys: GatewayKeySource,
  filter: StreamFilter,
): AsyncGenerator<VerifiedEvent, void, undefined> {
  let audiences: ReadonlySet<string> | undefined;
  for await (const message of messages) {
    const event = await verifyEvent(message, keys);
    if (audiences === undefined) {
      audiences = audiencesOf(event, request);
      const serverTimeMs = numberMember(event.payload, "server_time_ms");
      const isResumed = member(event.payload, "resumed") === true;
      if (serverTimeMs !== undefined && !isResumed) filter.startAt(serverTimeMs);
    }
    // Only the first event is bound to this request. A later `gateway.server_time` is a replay from another stream.
    else if (event.eventType === "gateway.server_time") continue;
    if (!audiences.has(event.audience)) throw new UntrustedResponseError("audience");
    if (message.envelope !== undefined && filter.accept(message.envelope)) yield event;
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
