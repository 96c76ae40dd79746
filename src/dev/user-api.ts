import { type ApiCall, ApiError, type ApiReply, badRequest, type Endpoints, textField } from "./api.ts";
import type { Chat } from "./chat.ts";
import { DISPLAY_NAME_CHARS_MAX, ID_CHARS_MAX, MESSAGE_CHARS_MAX, REST_BODY_BYTES_MAX, ROOM_ID_CHARS_MAX } from "./limits.ts";
import type { User, Users } from "./users.ts";

interface UserParts {
  readonly users: Users;
  readonly chat: Chat;
}

/** The value of the gateway setting `routes` for this API. */
export const DEV_ROUTES = [
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "user.profile.update", method: "PATCH", path: "/api/v1/user/profile" },
  { message_type: "chat.message.send", method: "POST", path: "/api/v1/user/rooms/{room_id}/messages", keep_answer_ms: 600_000 },
] as const;

/** Creates the endpoints for logged-in users. Only the gateway may call them, because they trust the header X-User-Id. */
export function userApi(parts: UserParts): Endpoints {
  return {
    "/api/v1/user/profile": {
      GET: (call) => ({ status: 200, body: profileOf(callerOf(call, parts.users)) }),
      PATCH: (call) => updateProfile(call, parts),
    },
    "/api/v1/user/rooms/:room_id/messages": { POST: (call) => sendMessage(call, parts) },
  };
}

function updateProfile(call: ApiCall, { users }: UserParts): ApiReply {
  const user = callerOf(call, users);
  const displayName = textField(call.body, "display_name", REST_BODY_BYTES_MAX).trim();
  if (displayName === "") throw invalid("display_name_empty", "the display name is empty");
  if (displayName.length > DISPLAY_NAME_CHARS_MAX) {
    throw invalid("display_name_too_long", `the display name is longer than ${DISPLAY_NAME_CHARS_MAX} characters`);
  }
  users.rename(user.id, displayName);
  return { status: 200, body: profileOf({ ...user, displayName }) };
}

function sendMessage(call: ApiCall, { users, chat }: UserParts): ApiReply {
  const user = callerOf(call, users);
  const roomId = textField(call.params, "room_id", ROOM_ID_CHARS_MAX);
  const text = textField(call.body, "text", REST_BODY_BYTES_MAX);
  if (text.trim() === "") throw invalid("text_empty", "the message is empty");
  if (text.length > MESSAGE_CHARS_MAX) {
    throw invalid("text_too_long", `the message is longer than ${MESSAGE_CHARS_MAX} characters`);
  }
  const sent = chat.send({ roomId, userId: user.id, text, idempotencyKey: idempotencyKeyOf(call, user) });
  if (sent === undefined) throw invalid("idempotency_key_reused", "the Idempotency-Key was used for another message");
  return { status: 201, body: { message_id: sent.messageId, room_id: roomId } };
}

function callerOf({ headers }: ApiCall, users: Users): User {
  const user = users.find(headers.get("x-user-id") ?? "");
  if (user === undefined) throw new ApiError(401, "user_unknown", "X-User-Id is not the id of a user");
  return user;
}

/**
 * The gateway sends the idempotency key of the command or, if it is empty, the request id. Both are unique only within a
 * session, so the user id and the session id are added.
 */
function idempotencyKeyOf({ headers }: ApiCall, user: User): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null) return undefined;
  const sessionId = headers.get("x-device-session-id") ?? "";
  if (key.length > ID_CHARS_MAX || sessionId.length > ID_CHARS_MAX) throw badRequest("Idempotency-Key is too long");
  return JSON.stringify([user.id, sessionId, key]);
}

function profileOf(user: User) {
  return { user_id: user.id, email: user.email, display_name: user.displayName };
}

function invalid(code: string, message: string): ApiError {
  return new ApiError(422, code, message);
}
