import { createECDH, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { DeviceKey } from "../../src/client/device-key.ts";
import { RequestSigner } from "../../src/client/request-signer.ts";
import { type EmailCode, requestEmailCode } from "./email-code.ts";
import type { FetchFunction } from "./world.ts";

/** An ES256 device key of node:crypto, as a device with P-256 in its secure hardware has one. */
export interface Es256DeviceKey extends DeviceKey {
  readonly algorithm: "ES256";
  /** The private scalar, 32 bytes. */
  readonly secret: Uint8Array;
  readonly privateKey: KeyObject;
}

/** A device with an ES256 key that is logged in. */
export interface Es256Device {
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly deviceKey: Es256DeviceKey;
  readonly signer: RequestSigner;
}

/** The ES256 key of a private scalar (32 bytes); without one, a random key. */
export function es256DeviceKey(scalar?: Uint8Array): Es256DeviceKey {
  const secret = scalar ?? randomScalar();
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(secret);
  const publicKey = new Uint8Array(curve.getPublicKey());
  const [d, x, y] = [base64url(secret), base64url(publicKey.subarray(1, 33)), base64url(publicKey.subarray(33))];
  const privateKey = createPrivateKey({ key: { kty: "EC", crv: "P-256", d, x, y }, format: "jwk" });
  return { algorithm: "ES256", secret, privateKey, publicKey, sign: async (message) => signEs256(message, privateKey) };
}

/** The signature R ‖ S, 64 bytes. */
export function signEs256(message: Uint8Array, privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
}

/** The order n of P-256 (SEC 2 2.4.2). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other form of a signature: R ‖ n − S. */
export function withOtherS(signature: Uint8Array): Uint8Array<ArrayBuffer> {
  const s = BigInt(`0x${signature.subarray(32).toHex()}`);
  return new Uint8Array([...signature.subarray(0, 32), ...Uint8Array.fromHex((ORDER - s).toString(16).padStart(64, "0"))]);
}

export interface Es256LoginOptions {
  readonly baseUrl: string;
  readonly backendUrl: string;
  readonly email: string;
  readonly fetch: FetchFunction;
  readonly deviceKey?: Es256DeviceKey | undefined;
}

/** Logs a device with an ES256 key in, with the code from the embedded backend's outbox. */
export async function loginEs256({
  baseUrl,
  backendUrl,
  email,
  fetch: fetchEdge,
  deviceKey = es256DeviceKey(),
}: Es256LoginOptions): Promise<Es256Device> {
  const { challengeId, code } = await requestEmailCode(baseUrl, backendUrl, email, fetchEdge);
  const deviceSessionId = await confirmEs256(baseUrl, { challengeId, code }, deviceKey, fetchEdge);
  const record: { user_id: string } = await (await fetch(`${backendUrl}/api/v1/internal/sessions/${deviceSessionId}`)).json();
  const signer = new RequestSigner({ deviceSessionId, deviceKey });
  return { deviceSessionId, userId: record.user_id, deviceKey, signer };
}

/** Exchanges a login code for a session with an ES256 key. Resolves to the session's id. */
export async function confirmEs256(
  baseUrl: string,
  { challengeId, code }: EmailCode,
  deviceKey: Es256DeviceKey,
  fetchEdge: FetchFunction = fetch,
): Promise<string> {
  const response = await fetchEdge(`${baseUrl}/api/v1/public/auth/confirm-email-code`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      challenge_id: challengeId,
      code,
      client_public_key: Buffer.from(deviceKey.publicKey).toString("base64"),
      client_key_algorithm: deviceKey.algorithm,
    }),
  });
  if (!response.ok) throw new Error(`the login was refused: ${response.status} ${await response.text()}`);
  const { device_session_id: deviceSessionId }: { device_session_id: string } = await response.json();
  return deviceSessionId;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function randomScalar(): Uint8Array {
  const { d = "" } = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
  return new Uint8Array(Buffer.from(d, "base64url"));
}
