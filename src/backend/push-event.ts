import { isDeviceSessionId, isEventId, isMessageType, isReservedType, isUserId } from "../core/grammar.ts";
import type { ClientAudience, ClientEvent, Revocation } from "../core/ports.ts";
import type { PushEvent } from "../gen/sallyport/v1/push_pb.ts";

/** Why an event of the backend is dropped: the label of a metric. */
export type DropReason =
  | "no_audience"
  | "bad_user_id"
  | "bad_device_session_id"
  | "bad_event_type"
  | "reserved_event_type"
  | "bad_event_id"
  | "payload_too_large";

/** One step of the feed, checked. */
export type PushStep =
  | { readonly kind: "client_event"; readonly event: ClientEvent }
  | { readonly kind: "session_invalidation"; readonly revocation: Revocation }
  | { readonly kind: "keepalive" }
  /** `lostTo`: for whom it was, where that is known. */
  | { readonly kind: "dropped"; readonly reason: DropReason; readonly lostTo?: ClientAudience };

/** Checks what the backend sent, so that nothing signed and nothing revoked is other than the contract says. */
export function readPushEvent({ kind }: PushEvent, payloadBytesMax: number): PushStep {
  if (kind.case === undefined) return { kind: "keepalive" };
  const { userId, deviceSessionId } = kind.value;
  const wrong = checkAudience(userId, deviceSessionId);
  if (wrong !== undefined) return { kind: "dropped", reason: wrong };
  if (kind.case === "sessionInvalidation") {
    return { kind: "session_invalidation", revocation: { userId, deviceSessionId } };
  }
  return readClientEvent(kind.value, payloadBytesMax);
}

function readClientEvent(event: ClientEvent, payloadBytesMax: number): PushStep {
  const { userId, deviceSessionId, eventType, eventId, payloadBytes } = event;
  const reason = checkClientEvent(event, payloadBytesMax);
  if (reason !== undefined) return { kind: "dropped", reason, lostTo: { userId, deviceSessionId } };
  return { kind: "client_event", event: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
}

function checkAudience(userId: string, deviceSessionId: string): DropReason | undefined {
  if (userId === "" && deviceSessionId === "") return "no_audience";
  if (userId !== "" && !isUserId(userId)) return "bad_user_id";
  return deviceSessionId === "" || isDeviceSessionId(deviceSessionId) ? undefined : "bad_device_session_id";
}

function checkClientEvent({ eventType, eventId, payloadBytes }: ClientEvent, payloadBytesMax: number): DropReason | undefined {
  if (!isMessageType(eventType)) return "bad_event_type";
  if (isReservedType(eventType)) return "reserved_event_type";
  if (eventId !== "" && !isEventId(eventId)) return "bad_event_id";
  return payloadBytes.byteLength > payloadBytesMax ? "payload_too_large" : undefined;
}
