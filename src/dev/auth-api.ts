import { PUBLIC_KEY_BYTES } from "../core/limits.ts";
import {
  type ApiCall,
  ApiError,
  type ApiReply,
  badRequest,
  type Endpoints,
  isJsonObject,
  type JsonObject,
  textField,
} from "./api.ts";
import type { ChallengeRefusal, Challenges } from "./challenges.ts";
import type { DeviceSessions } from "./device-sessions.ts";
import { EMAIL_CHARS_MAX, ID_CHARS_MAX, METADATA_CHARS_MAX, METADATA_ENTRIES_MAX } from "./limits.ts";
import type { Users } from "./users.ts";

interface AuthParts {
  readonly challenges: Challenges;
  readonly users: Users;
  readonly sessions: DeviceSessions;
}

const REFUSALS: Record<ChallengeRefusal, { status: number; message: string }> = {
  challenge_unknown: { status: 404, message: "there is no such challenge; ask for a new code" },
  challenge_used: { status: 409, message: "this code has been used; ask for a new one" },
  challenge_expired: { status: 410, message: "this code has expired; ask for a new one" },
  too_many_attempts: { status: 429, message: "too many wrong codes; ask for a new one" },
  wrong_code: { status: 400, message: "this is not the code that was sent" },
};

const EMAIL = /^[^\s@]+@[^\s@]+$/;
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43}=?$/;
const CODE_CHARS_MAX = 16;
const KEY_CHARS_MAX = 64;

/** PROTOCOL (proto/README.md), "Public REST": login by a code sent by e-mail. */
export function authApi(parts: AuthParts): Endpoints {
  return {
    "/api/v1/public/auth/send-email-code": { POST: (call) => sendEmailCode(call, parts) },
    "/api/v1/public/auth/confirm-email-code": { POST: (call) => confirmEmailCode(call, parts) },
  };
}

function sendEmailCode({ body }: ApiCall, { challenges }: AuthParts): ApiReply {
  const email = emailField(body);
  checkMetadata(body);
  return { status: 200, body: { challenge_id: challenges.issue(email).challenge_id } };
}

/** Everything is checked before the code is spent. */
function confirmEmailCode({ body }: ApiCall, { challenges, users, sessions }: AuthParts): ApiReply {
  const challengeId = textField(body, "challenge_id", ID_CHARS_MAX);
  const code = textField(body, "code", CODE_CHARS_MAX);
  const clientPublicKey = keyField(body);
  checkMetadata(body);
  const redeemed = challenges.redeem(challengeId, code);
  if ("refusal" in redeemed) throw refused(redeemed.refusal);
  const user = users.open(redeemed.email);
  if (user === undefined) throw new ApiError(409, "too_many_users", "there is no room for another user");
  const sessionId = sessions.open(user.id, clientPublicKey);
  if (sessionId === undefined) throw new ApiError(409, "too_many_sessions", "there is no room for another session");
  return { status: 200, body: { device_session_id: sessionId } };
}

function refused(refusal: ChallengeRefusal): ApiError {
  return new ApiError(REFUSALS[refusal].status, refusal, REFUSALS[refusal].message);
}

/** One mailbox is one user, however its address is written. */
function emailField(body: JsonObject): string {
  const email = textField(body, "email", EMAIL_CHARS_MAX).trim().toLowerCase();
  if (!EMAIL.test(email)) throw badRequest("email must be an e-mail address");
  return email;
}

/** The key in the one form of base64 that is stored and told: with padding, and no stray bits in its last digit. */
function keyField(body: JsonObject): string {
  const text = textField(body, "client_public_key", KEY_CHARS_MAX);
  const bytes = BASE64_OF_32_BYTES.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
  if (bytes.byteLength !== PUBLIC_KEY_BYTES) throw badRequest("client_public_key must be the base64 of 32 bytes");
  return bytes.toString("base64");
}

/** The application's own; this one has no use for it, but says where it breaks the contract. */
function checkMetadata({ metadata }: JsonObject): void {
  if (metadata === undefined) return;
  if (!isJsonObject(metadata)) throw badRequest("metadata must be an object");
  const names = Object.keys(metadata);
  if (names.length > METADATA_ENTRIES_MAX) throw badRequest(`metadata has more than ${METADATA_ENTRIES_MAX} entries`);
  for (const name of names) textField(metadata, name, METADATA_CHARS_MAX);
}
