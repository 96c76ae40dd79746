import type { JsonValue } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { DeviceKey, KeyAlgorithm } from "./device-key.ts";
import { textMember } from "./json.ts";
import { postJson, RestError, type RestOptions } from "./rest.ts";

/**
 * Login by e-mail code (proto/README.md, "Public REST") or by another public route. All login functions reject with
 * `RestError`, or with the abort reason of `signal`.
 */

/** The session and the key with which a device signs requests. Store both together, because the session accepts only this key. */
export interface SessionCredentials {
  readonly deviceSessionId: string;
  readonly deviceKey: DeviceKey;
}

export interface LoginOptions extends RestOptions {
  /** The URL of the gateway's edge, such as https://gateway.example. */
  readonly baseUrl: string;
  /**
   * Texts that the gateway passes to the backend unchanged. At most 16 entries. A name has 1 to 64 characters of
   * `[A-Za-z0-9_.-]`. A value has at most 256 characters.
   */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface SendEmailCodeOptions extends LoginOptions {
  readonly email: string;
}

export interface ConfirmEmailCodeOptions extends LoginOptions {
  /** The id that `sendEmailCode` returned. */
  readonly challengeId: string;
  /** The code that the user received by e-mail. */
  readonly code: string;
  /** The key pair of the device. Its public key becomes the key of the new session. */
  readonly deviceKey: DeviceKey;
}

/** Starts a login: the backend sends a code to the e-mail address. */
export async function sendEmailCode(options: SendEmailCodeOptions): Promise<{ challengeId: string }> {
  const body = { email: options.email, metadata: options.metadata };
  const answer = await postJson(publicUrl(options, "send-email-code"), body, options);
  return { challengeId: requiredText(answer, "challenge_id") };
}

/**
 * Completes a login: exchanges the code for a new device session. Rejects with `RangeError` if the public key does not have the
 * form that its algorithm requires.
 */
export async function confirmEmailCode(options: ConfirmEmailCodeOptions): Promise<SessionCredentials> {
  const { challengeId: challenge_id, code, deviceKey, metadata } = options;
  const body = { challenge_id, code, ...keyFields(deviceKey), metadata };
  const answer = await postJson(publicUrl(options, "confirm-email-code"), body, options);
  return { deviceSessionId: requiredText(answer, "device_session_id"), deviceKey };
}

export interface PathLoginOptions extends LoginOptions {
  /**
   * The path of the call, such as `/api/v1/public/auth/guest`. The gateway must have a public route with this path and
   * `registers_key`.
   */
  readonly path: string;
  /** The members of the JSON body, in addition to the device key and `metadata`. */
  readonly fields?: Readonly<Record<string, JsonValue>> | undefined;
  /** The key pair of the device. Its public key becomes the key of the new session. */
  readonly deviceKey: DeviceKey;
}

export interface PathLogin extends SessionCredentials {
  /** The whole answer of the backend. */
  readonly answer: JsonValue;
}

/**
 * Logs in by any call that registers a device key, such as a guest login, OIDC or a passkey. Rejects with `RangeError`
 * if `path` is not a path of the gateway, or if the public key does not have the form that its algorithm requires.
 */
export async function login(options: PathLoginOptions): Promise<PathLogin> {
  const { path, fields, deviceKey, metadata } = options;
  if (!/^\/(?![/\\])/.test(path)) throw new RangeError('path: a path such as "/login" expected');
  const body = { ...fields, ...keyFields(deviceKey), ...(metadata !== undefined && { metadata }) };
  const answer = await postJson(new URL(path, options.baseUrl).href, body, options);
  return { deviceSessionId: requiredText(answer, "device_session_id"), deviceKey, answer };
}

/** Returns the fields that register the key. Throws `RangeError` if the public key has a wrong form. */
function keyFields({ algorithm = "EdDSA", publicKey }: DeviceKey) {
  checkPublicKey(algorithm, publicKey);
  return {
    client_public_key: base64Encode(publicKey),
    // An older gateway refuses requests with this member. So it is omitted for EdDSA, the default.
    client_key_algorithm: algorithm === "EdDSA" ? undefined : algorithm,
  };
}

/** Platforms give P-256 keys in many forms. The gateway accepts only the uncompressed point (SEC 1, 2.3.3). */
function checkPublicKey(algorithm: KeyAlgorithm, { byteLength, [0]: first }: Uint8Array): void {
  const isRight = algorithm === "EdDSA" ? byteLength === 32 : byteLength === 65 && first === 4;
  const expected = algorithm === "EdDSA" ? "32 bytes" : "65 bytes that start with 4";
  if (!isRight) throw new RangeError(`deviceKey.publicKey: ${expected} expected for ${algorithm}, ${byteLength} bytes given`);
}

function publicUrl(options: LoginOptions, name: string): string {
  return new URL(`/api/v1/public/auth/${name}`, options.baseUrl).href;
}

function requiredText(answer: JsonValue, name: string): string {
  const value = textMember(answer, name);
  if (!value) throw new RestError({ status: 200, code: "bad_answer", message: `the answer has no ${name}` });
  return value;
}
