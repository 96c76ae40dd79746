import type { JsonValue } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { DeviceKey } from "./device-key.ts";
import { textMember } from "./json.ts";
import { postJson, RestError, type RestOptions } from "./rest.ts";

/** Login by e-mail code: proto/README.md, "Public REST". Every failure is a `RestError`. */

/** What a device needs to sign requests: the session that login gave it, and the key that was registered with it. */
export interface SessionCredentials {
  readonly deviceSessionId: string;
  readonly deviceKey: DeviceKey;
}

interface LoginCall extends RestOptions {
  /** The gateway's edge, such as https://gateway.example. */
  readonly baseUrl: string;
  /** The application's own, at most 16 short strings by name. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface SendEmailCode extends LoginCall {
  readonly email: string;
}

export interface ConfirmEmailCode extends LoginCall {
  readonly challengeId: string;
  readonly code: string;
  /** Its public half is registered as the key of the new session. */
  readonly deviceKey: DeviceKey;
}

/** Has a code sent to an e-mail address. */
export async function sendEmailCode(call: SendEmailCode): Promise<{ challengeId: string }> {
  const body = { email: call.email, metadata: call.metadata };
  const answer = await postJson(publicUrl(call, "send-email-code"), body, call);
  return { challengeId: needed(answer, "challenge_id") };
}

/** Proves the address by the code, and opens a session for the device. */
export async function confirmEmailCode(call: ConfirmEmailCode): Promise<SessionCredentials> {
  const { deviceKey } = call;
  const body = {
    challenge_id: call.challengeId,
    code: call.code,
    client_public_key: base64Encode(deviceKey.publicKey),
    metadata: call.metadata,
  };
  const answer = await postJson(publicUrl(call, "confirm-email-code"), body, call);
  return { deviceSessionId: needed(answer, "device_session_id"), deviceKey };
}

function publicUrl(call: LoginCall, name: string): string {
  return new URL(`/api/v1/public/auth/${name}`, call.baseUrl).href;
}

function needed(answer: JsonValue, name: string): string {
  const value = textMember(answer, name);
  if (!value) throw new RestError({ status: 200, code: "bad_answer", message: `the answer has no ${name}` });
  return value;
}
