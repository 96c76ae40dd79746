import { isJsonObject } from "../core/json-body.ts";
import { keyAlgorithmOf, PUBLIC_KEY_BYTES } from "../core/keys.ts";
import type { PublicRouteEntry } from "../core/public-routes.ts";
import { type ApiCall, ApiError, type ApiReply, badRequest, type Endpoints, type JsonObject, textField } from "./api.ts";
import type { ChallengeRefusal, Challenges } from "./challenges.ts";
import type { ClientKey, DeviceSessions } from "./device-sessions.ts";
import { EMAIL_CHARS_MAX, ID_CHARS_MAX, METADATA_CHARS_MAX, METADATA_ENTRIES_MAX } from "./limits.ts";
import type { User, Users } from "./users.ts";

interface AuthParts {
  readonly challenges: Challenges;
  readonly users: Users;
  readonly sessions: DeviceSessions;
}

const REFUSALS: Record<ChallengeRefusal, { status: number; message: string }> = {
  challenge_unknown: { status: 404, message: "unknown challenge; request a new code" },
  challenge_used: { status: 409, message: "the code was already used; request a new one" },
  challenge_expired: { status: 410, message: "the code has expired; request a new one" },
  too_many_attempts: { status: 429, message: "too many wrong codes; request a new one" },
  wrong_code: { status: 400, message: "wrong code" },
};

const EMAIL = /^[^\s@]+@[^\s@]+$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const CODE_CHARS_MAX = 16;
const KEY_CHARS_MAX = 128;

/** The row of `public_routes` for guest logins. `sallyport dev` has it by default, in addition to the rows for e-mail codes. */
export const GUEST_LOGIN: PublicRouteEntry = {
  name: "guest",
  method: "POST",
  path: "/api/v1/public/auth/guest",
  budget: { rate: 0.1, burst: 3 },
  fields: { metadata: "metadata?" },
  registers_key: true,
};

/** Creates the endpoints of the login by e-mail code (proto/README.md, "Public REST") and of the guest login. */
export function authApi(parts: AuthParts): Endpoints {
  return {
    "/api/v1/public/auth/send-email-code": { POST: (call) => sendEmailCode(call, parts) },
    "/api/v1/public/auth/confirm-email-code": { POST: (call) => confirmEmailCode(call, parts) },
    [GUEST_LOGIN.path]: { POST: (call) => logInGuest(call, parts) },
  };
}

function sendEmailCode({ body }: ApiCall, { challenges }: AuthParts): ApiReply {
  const email = emailField(body);
  checkMetadata(body);
  return { status: 200, body: { challenge_id: challenges.issue(email).challenge_id } };
}

/** Creates a user who has no e-mail address, and a session of this user. */
function logInGuest({ body }: ApiCall, { users, sessions }: AuthParts): ApiReply {
  const key = keyField(body);
  checkMetadata(body);
  return newSession(users.createGuest(), key, sessions);
}

/** Checks the code after all other fields, so that a call with another invalid field does not count as an attempt. */
function confirmEmailCode({ body }: ApiCall, { challenges, users, sessions }: AuthParts): ApiReply {
  const challengeId = textField(body, "challenge_id", ID_CHARS_MAX);
  const code = textField(body, "code", CODE_CHARS_MAX);
  const key = keyField(body);
  checkMetadata(body);
  const redeemed = challenges.redeem(challengeId, code);
  if ("refusal" in redeemed) throw challengeError(redeemed.refusal);
  return newSession(users.findOrCreate(redeemed.email), key, sessions);
}

function newSession(user: User | undefined, key: ClientKey, sessions: DeviceSessions): ApiReply {
  if (user === undefined) throw new ApiError(409, "too_many_users", "the maximum number of users is reached");
  const sessionId = sessions.create(user.id, key);
  if (sessionId === undefined) throw new ApiError(409, "too_many_sessions", "the maximum number of sessions is reached");
  return { status: 200, body: { device_session_id: sessionId } };
}

function challengeError(refusal: ChallengeRefusal): ApiError {
  return new ApiError(REFUSALS[refusal].status, refusal, REFUSALS[refusal].message);
}

/** Returns the e-mail address in lower case, so that `A@x.org` and `a@x.org` are the same user. */
function emailField(body: JsonObject): string {
  const email = textField(body, "email", EMAIL_CHARS_MAX).trim().toLowerCase();
  if (!EMAIL.test(email)) throw badRequest("email must be an e-mail address");
  return email;
}

/**
 * Returns the public key in canonical base64 (RFC 4648 3.5): with padding, and with zero pad bits. Checks only the size of the
 * key, because the gateway has checked the rest.
 */
function keyField(body: JsonObject): ClientKey {
  const algorithm = keyAlgorithmOf(body["client_key_algorithm"]);
  if (algorithm === undefined) throw badRequest("client_key_algorithm must be EdDSA or ES256");
  const base64 = textField(body, "client_public_key", KEY_CHARS_MAX);
  const bytes = BASE64.test(base64) ? Buffer.from(base64, "base64") : Buffer.alloc(0);
  const size = PUBLIC_KEY_BYTES[algorithm];
  if (bytes.byteLength !== size) throw badRequest(`client_public_key must be the base64 of ${size} bytes`);
  return { client_public_key: bytes.toString("base64"), client_key_algorithm: algorithm };
}

/** Throws `ApiError` 400 if `metadata` is not an object of strings, or exceeds a limit. The values are not used. */
function checkMetadata({ metadata }: JsonObject): void {
  if (metadata === undefined) return;
  if (!isJsonObject(metadata)) throw badRequest("metadata must be an object");
  const names = Object.keys(metadata);
  if (names.length > METADATA_ENTRIES_MAX) throw badRequest(`metadata has more than ${METADATA_ENTRIES_MAX} entries`);
  for (const name of names) textField(metadata, name, METADATA_CHARS_MAX);
}
