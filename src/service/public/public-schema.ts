import { isJsonObject } from "../../core/json-body.ts";
import { DEFAULT_KEY_ALGORITHM, type DeviceKeyAlgorithm, decodePublicKey, keyAlgorithmOf } from "../../core/keys.ts";
import { RestError } from "../../core/rest-reply.ts";
import { challengeKey } from "./challenge-id.ts";
import { mailboxKey } from "./mailbox-key.ts";

/** The validated body of a public call. */
export interface PublicCall {
  readonly body: Readonly<Record<string, unknown>>;
  /** The key of the bucket for the call's mailbox or challenge. */
  readonly identity: string;
  /** A check of the body that needs much CPU time. Call it only if the login budgets have tokens left. Throws RestError. */
  readonly expensiveCheck?: () => void;
}

const EMAIL_CHARS_MAX = 254;
const CODE = /^[\x21-\x7e]{1,32}$/;
const METADATA_ENTRIES_MAX = 16;
const METADATA_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const METADATA_VALUE_CHARS_MAX = 256;

/** Validates the body of send-email-code: {email, metadata?}. Throws RestError. */
export function checkSendCode(json: unknown): PublicCall {
  const body = objectOf(json, ["email", "metadata"]);
  const email = stringField(body, "email");
  if (!isEmail(email)) throw invalid("email must be an e-mail address");
  checkMetadata(body["metadata"]);
  return { body, identity: mailboxKey(email) };
}

/** The device keys that a login may register. */
export interface DeviceKeyRules {
  /** The accepted algorithms, at least one. */
  readonly algorithms: readonly DeviceKeyAlgorithm[];
  /** Whether the public key is strict. This check needs much CPU time. */
  readonly isStrictKey: (algorithm: DeviceKeyAlgorithm, raw: Uint8Array) => boolean;
}

/**
 * Validates the body of confirm-email-code: {challenge_id, code, client_public_key, client_key_algorithm?, metadata?}. Throws
 * RestError.
 */
export function checkConfirmCode(json: unknown, { algorithms, isStrictKey }: DeviceKeyRules): PublicCall {
  const body = objectOf(json, ["challenge_id", "code", "client_public_key", "client_key_algorithm", "metadata"]);
  const identity = challengeKey(stringField(body, "challenge_id"));
  if (identity === undefined) throw invalid(CHALLENGE_RULE);
  if (!CODE.test(stringField(body, "code"))) throw invalid("code must be 1 to 32 visible ASCII characters");
  const algorithm = keyAlgorithmOf(body["client_key_algorithm"]);
  if (algorithm === undefined || !algorithms.includes(algorithm)) throw invalid(algorithmRule(algorithms));
  // Only canonical base64 is valid (RFC 4648 4 and 3.5), because the session look-up rejects a key in any other form. A
  // session with such a key could never be used.
  const raw = decodePublicKey(stringField(body, "client_public_key"), algorithm);
  if (raw === undefined) throw invalid(KEY_RULES[algorithm]);
  checkMetadata(body["metadata"]);
  const expensiveCheck = () => {
    if (!isStrictKey(algorithm, raw)) throw invalid(KEY_RULES[algorithm]);
  };
  return { body, identity, expensiveCheck };
}

const CHALLENGE_RULE =
  "challenge_id must be 1 to 128 of A-Z, a-z, 0-9, . _ ~ -, and a UUID must be 8-4-4-4-12 lower-case hex digits";
const KEY_RULES: Readonly<Record<DeviceKeyAlgorithm, string>> = {
  EdDSA: "client_public_key must be the base64 of a valid Ed25519 public key (32 bytes)",
  ES256: "client_public_key must be the base64 of a valid P-256 public key in uncompressed form (65 bytes)",
};

function algorithmRule(accepted: readonly DeviceKeyAlgorithm[]): string {
  return `client_key_algorithm must be ${accepted.join(" or ")}; if it is missing, it is ${DEFAULT_KEY_ALGORITHM}`;
}

/**
 * Returns true if the text looks like an e-mail address: one @ with text before and after it, and no characters that could end
 * a mail header or a line. Does not check whether the mailbox exists.
 */
function isEmail(email: string): boolean {
  return email.length <= EMAIL_CHARS_MAX && /^[^\s@\p{Cc}\p{Cf}<>"(),:;[\]\\]+@[^\s@\p{Cc}\p{Cf}<>"(),:;[\]\\]+$/u.test(email);
}

function objectOf(json: unknown, known: readonly string[]): Record<string, unknown> {
  if (!isJsonObject(json)) throw invalid("the body must be a JSON object");
  const unknown = Object.keys(json).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`unknown field ${JSON.stringify(unknown.slice(0, 64))}`);
  return json;
}

function stringField(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = body[name];
  if (typeof value !== "string" || value === "") throw invalid(`${name} must be a non-empty string`);
  return value;
}

function checkMetadata(metadata: unknown): void {
  if (metadata === undefined) return;
  if (!isJsonObject(metadata)) throw invalid("metadata must be an object");
  const entries = Object.entries(metadata);
  if (entries.length > METADATA_ENTRIES_MAX) throw invalid(`metadata has at most ${METADATA_ENTRIES_MAX} entries`);
  for (const [name, value] of entries) {
    if (!METADATA_NAME.test(name)) throw invalid("metadata names are 1 to 64 of A-Z, a-z, 0-9, _ . -");
    if (typeof value !== "string" || value.length > METADATA_VALUE_CHARS_MAX) {
      throw invalid(`metadata values are strings of at most ${METADATA_VALUE_CHARS_MAX} characters`);
    }
  }
}

function invalid(detail: string): RestError {
  return new RestError("invalid_request", detail);
}
