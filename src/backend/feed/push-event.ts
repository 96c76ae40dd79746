import { isDeviceSessionId, isEventId, isMessageType, isReservedType, isUserId } from "../../core/grammar.ts";
import type { ClientAudience, ClientEvent, LostKind, Revocation } from "../../core/ports.ts";
import type { PushEvent } from "../../gen/sallyport/v1/push_pb.ts";
import type { FrameFault } from "./push-frames.ts";

/** Why an event of the backend is dropped: the label of a metric. */
export type DropReason =
  | FrameFault
  | "unknown_kind"
  | "bad_cursor"
  | "no_audience"
  | "bad_user_id"
  | "bad_device_session_id"
  | "bad_event_type"
  | "reserved_event_type"
  | "bad_event_id"
  | "bad_reason"
  | "payload_too_large";

/** One step of the feed, checked. */
export type PushStep =
  | { readonly kind: "client_event"; readonly event: ClientEvent }
  | { readonly kind: "session_invalidation"; readonly revocation: Revocation }
  | { readonly kind: "keepalive" }
  | Dropped;

/** What breaks a rule. `lostTo`: for whom it was, or may have been; nobody, where it is not there. */
export interface Dropped {
  readonly kind: "dropped";
  readonly reason: DropReason;
  readonly lostTo?: ClientAudience | "everybody";
  readonly lost?: LostKind;
}

/** Checks what the backend sent, so that nothing signed and nothing revoked is other than the contract says. */
export function readPushEvent({ kind }: Pick<PushEvent, "kind">, payloadBytesMax: number): PushStep {
  if (kind.case === undefined) return { kind: "keepalive" };
  const { userId, deviceSessionId } = kind.value;
  const wrong = checkAudience(userId, deviceSessionId);
  if (wrong !== undefined) return dropped(wrong, kind);
  if (kind.case === "sessionInvalidation") {
    return { kind: "session_invalidation", revocation: { userId, deviceSessionId } };
  }
  const reason = checkClientEvent(kind.value, payloadBytesMax);
  if (reason !== undefined) return dropped(reason, kind);
  const { eventType, eventId, payloadBytes } = kind.value;
  return { kind: "client_event", event: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
}

/** An event that is dropped for this reason. */
export function dropped(reason: DropReason, kind: PushEvent["kind"]): Dropped {
  if (kind.case === undefined) return { kind: "dropped", reason };
  const lost = kind.case === "clientEvent" ? "event" : "revocation";
  return { kind: "dropped", reason, lost, lostTo: audienceOf(kind.value) };
}

/** The session decides where one is given, else the user. */
function audienceOf({ userId, deviceSessionId }: ClientAudience): ClientAudience | "everybody" {
  const known = { userId: isUserId(userId) ? userId : "", deviceSessionId };
  if (deviceSessionId !== "") return isDeviceSessionId(deviceSessionId) ? known : "everybody";
  return known.userId === "" ? "everybody" : known;
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
