import type { Clock } from "../core/clock.ts";
import { isMessageType, isReservedType, MESSAGE_TYPE_MAX } from "../core/grammar.ts";
import {
  type ApiCall,
  ApiError,
  type ApiReply,
  badRequest,
  type Endpoints,
  type JsonObject,
  optionalTextField,
  textField,
} from "./api.ts";
import type { Challenges } from "./challenges.ts";
import type { DeviceSessions } from "./device-sessions.ts";
import { EVENT_PAYLOAD_BYTES_MAX, ID_CHARS_MAX } from "./limits.ts";
import type { PushLog } from "./push-log.ts";
import { pushedEvent } from "./pushed-event.ts";
import type { Users } from "./users.ts";

interface DevParts {
  readonly challenges: Challenges;
  readonly users: Users;
  readonly sessions: DeviceSessions;
  readonly pushLog: PushLog;
  readonly clock: Clock;
}

interface Target {
  readonly userId: string | undefined;
  readonly deviceSessionId: string | undefined;
}

/** Creates the endpoints for development. A real backend does not have them. */
export function devApi(parts: DevParts): Endpoints {
  return {
    "/dev/outbox": { GET: () => ({ status: 200, body: parts.challenges.sentMails() }) },
    "/dev/push": { POST: (call) => push(call, parts) },
    "/dev/revoke": { POST: (call) => revoke(call, parts) },
  };
}

function push({ body }: ApiCall, { pushLog, clock }: DevParts): ApiReply {
  const target = targetOf(body);
  const eventType = textField(body, "event_type", MESSAGE_TYPE_MAX);
  if (!isMessageType(eventType) || isReservedType(eventType))
    throw badRequest("event_type must be dot-separated words and must not start with gateway.");
  const { eventId, payloadBytes, kind } = pushedEvent({ ...target, eventType, payload: body["payload"] }, clock.now());
  if (payloadBytes.byteLength > EVENT_PAYLOAD_BYTES_MAX) {
    throw badRequest(`payload is larger than ${EVENT_PAYLOAD_BYTES_MAX} bytes`);
  }
  pushLog.append([kind]);
  return { status: 200, body: { event_id: eventId } };
}

/** Marks the sessions as revoked, then pushes the revocation. So a look-up after the push finds them revoked. */
function revoke({ body }: ApiCall, { users, sessions, pushLog }: DevParts): ApiReply {
  const { userId, deviceSessionId } = targetOf(body);
  const reason = optionalTextField(body, "reason", ID_CHARS_MAX) ?? "revoked manually";
  if (deviceSessionId !== undefined) {
    if (sessions.find(deviceSessionId) === undefined) throw new ApiError(404, "session_unknown", "unknown device session");
    sessions.revoke(deviceSessionId);
  } else if (userId !== undefined) {
    if (users.find(userId) === undefined) throw new ApiError(404, "user_unknown", "unknown user");
    sessions.revokeAllOf(userId);
  }
  pushLog.append([
    { case: "sessionInvalidation", value: { userId: userId ?? "", deviceSessionId: deviceSessionId ?? "", reason } },
  ]);
  return { status: 200, body: {} };
}

/**
 * Returns `user_id` and `device_session_id` of the body. An empty id counts as missing. Throws `ApiError` 400 if both are
 * missing.
 */
function targetOf(body: JsonObject): Target {
  const userId = optionalTextField(body, "user_id", ID_CHARS_MAX) || undefined;
  const deviceSessionId = optionalTextField(body, "device_session_id", ID_CHARS_MAX) || undefined;
  if (userId === undefined && deviceSessionId === undefined) throw badRequest("user_id or device_session_id is required");
  return { userId, deviceSessionId };
}
