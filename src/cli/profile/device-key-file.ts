import { createHash } from "node:crypto";
import type { DeviceKey, KeyAlgorithm } from "../../client/device-key.ts";
import { isJsonObject } from "../../core/json-body.ts";

/**
 * The functions of this file create and restore the device key of a profile. The private key is stored as a JWK (RFC 7517).
 * Both algorithms, EdDSA and ES256, are supported.
 */

const PARAMETERS = {
  EdDSA: { key: { name: "Ed25519" }, signature: { name: "Ed25519" } },
  ES256: { key: { name: "ECDSA", namedCurve: "P-256" }, signature: { name: "ECDSA", hash: "SHA-256" } },
} as const;

export type PrivateJwk = Readonly<Record<string, string>>;

/** Creates a random key and resolves to its private JWK, which can be stored. */
export async function newPrivateJwk(algorithm: KeyAlgorithm): Promise<PrivateJwk> {
  const pair = await crypto.subtle.generateKey(PARAMETERS[algorithm].key, true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new Error(`this runtime cannot make a key pair of ${algorithm}`);
  const { kty = "", crv = "", x = "", y, d = "" } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return { kty, crv, x, ...(y !== undefined && { y }), d };
}

/** Restores the key of a JWK. Rejects if the JWK is not a private key of Ed25519 or P-256. */
export async function deviceKeyOf(jwk: PrivateJwk): Promise<DeviceKey & { readonly algorithm: KeyAlgorithm }> {
  const algorithm: KeyAlgorithm = jwk["kty"] === "EC" ? "ES256" : "EdDSA";
  const { key, signature } = PARAMETERS[algorithm];
  const privateKey = await crypto.subtle.importKey("jwk", { ...jwk }, key, false, ["sign"]);
  const { d: _, ...publicJwk } = jwk;
  const publicKey = await crypto.subtle.importKey("jwk", publicJwk, key, true, ["verify"]);
  return {
    algorithm,
    publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", publicKey)),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign(signature, privateKey, new Uint8Array(message))),
  };
}

/** Converts parsed JSON to a JWK. Returns `undefined` unless it is an object whose values are all strings. */
export function privateJwkOf(json: unknown): PrivateJwk | undefined {
  if (!isJsonObject(json)) return undefined;
  const texts = Object.entries(json).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return texts.length === Object.keys(json).length ? Object.fromEntries(texts) : undefined;
}

/** Returns the id of a device key: its RFC 7638 thumbprint. The key ids of the gateway are thumbprints too. */
export function keyIdOf({ algorithm, publicKey }: DeviceKey): string {
  return createHash("sha256").update(thumbprintMembers(algorithm, publicKey)).digest("base64url");
}

/** The required members of the public JWK, in lexicographic order (RFC 7638 3). */
function thumbprintMembers(algorithm: DeviceKey["algorithm"], publicKey: Uint8Array): string {
  const base64url = (from: number, to: number) => Buffer.from(publicKey.subarray(from, to)).toString("base64url");
  if (algorithm !== "ES256") return `{"crv":"Ed25519","kty":"OKP","x":"${base64url(0, 32)}"}`;
  return `{"crv":"P-256","kty":"EC","x":"${base64url(1, 33)}","y":"${base64url(33, 65)}"}`;
}
