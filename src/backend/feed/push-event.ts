import type { ClientAudience, ClientEvent, LostKind } from "../../core/events.ts";
import { isDeviceSessionId, isEventId, isMessageType, isReservedType, isUserId } from "../../core/grammar.ts";
import type { Revocation } from "../../core/sessions.ts";
import type { FrameFault } from "./push-frames.ts";

/**
 * The reason why the gateway drops a message of the push feed. It is the label `reason` of the metric
 * `sallyport_events_dropped_total`.
 */
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

/** The content of a message of the push feed, before validation. If `case` is `undefined`, the message is a keepalive. */
export type PushKind =
  | { readonly case: "clientEvent"; readonly value: ClientEvent }
  | { readonly case: "sessionInvalidation"; readonly value: ClientAudience }
  | { readonly case: undefined };

/** One message of the push feed, after validation. */
export type PushStep =
  | { readonly kind: "client_event"; readonly event: ClientEvent }
  | { readonly kind: "session_invalidation"; readonly revocation: Revocation }
  | { readonly kind: "keepalive" }
  | Dropped;

/** What is wrong with an event or a revocation. */
export interface ItemProblem {
  /** The name of the wrong field, as sent; `undefined` if the whole event or revocation is wrong. */
  readonly field: string | undefined;
  readonly message: string;
}

/** A message that the gateway dropped because it breaks a rule of the contract. */
export interface Dropped {
  readonly kind: "dropped";
  readonly reason: DropReason;
  /** The clients that miss the message. `undefined` for a keepalive, because clients do not get keepalives. */
  readonly lostTo?: ClientAudience | "everybody";
  readonly lost?: LostKind;
  /** The type of the event; `undefined` if the type is invalid. */
  readonly eventType?: string | undefined;
  /** The id of the event; `undefined` if the id is invalid. */
  readonly eventId?: string | undefined;
  /** If `undefined`, the problem is `problemOf(reason)`. */
  readonly problem?: ItemProblem;
}

/** Validates a decoded message. Only a valid event is signed and sent to clients. Only a valid revocation takes effect. */
export function readPushEvent({ kind }: { readonly kind: PushKind }, payloadBytesMax: number): PushStep {
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

export function dropped(reason: DropReason, kind: PushKind): Dropped {
  if (kind.case === undefined) return { kind: "dropped", reason };
  const lostTo = audienceOf(kind.value);
  if (kind.case === "sessionInvalidation") return { kind: "dropped", reason, lost: "revocation", lostTo };
  const { eventType, eventId } = kind.value;
  return {
    ...{ kind: "dropped", reason, lost: "event", lostTo },
    eventType: isMessageType(eventType) ? eventType : undefined,
    eventId: isEventId(eventId) ? eventId : undefined,
  };
}

/**
 * Returns the audience of an invalid message:
 *
 * - If the message has a valid session id, the audience is this session.
 * - If the message has no session id but a valid user id, the audience is this user.
 * - Otherwise, the audience is everybody.
 */
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
