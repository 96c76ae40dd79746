import { Point, signAsync, verifyAsync } from "@noble/ed25519";
import { copyOf } from "./bytes.ts";

/** Ed25519 signatures. If WebCrypto does not support Ed25519, @noble/ed25519 is used. It is at least ten times slower. */

const ED25519 = "Ed25519";
const SIGNATURE_BYTES = 64;
/** In PKCS #8, an Ed25519 private key is these bytes followed by the 32-byte seed (RFC 8410, OneAsymmetricKey). */
const PKCS8_PREFIX = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/** Signs the message. Resolves to the 64-byte signature. */
export type Sign = (message: Uint8Array) => Promise<Uint8Array>;
export type Verify = (message: Uint8Array, signature: Uint8Array) => Promise<boolean>;
/** The functions of WebCrypto that this file uses. */
export type Subtle = Pick<SubtleCrypto, "importKey" | "sign" | "verify">;

/** Returns a function that signs with the private key of a 32-byte seed. */
export async function signerFor(seed: Uint8Array, subtle: Subtle = crypto.subtle): Promise<Sign> {
  const ownSeed = copyOf(seed);
  const pkcs8 = new Uint8Array([...PKCS8_PREFIX, ...ownSeed]);
  const key = await importNative(() => subtle.importKey("pkcs8", pkcs8, ED25519, false, ["sign"]));
  if (key === undefined) return (message) => signAsync(message, ownSeed);
  return async (message) => new Uint8Array(await subtle.sign(ED25519, key, copyOf(message)));
}

/** Returns a function that verifies strictly (RFC 8032 5.1.7). First check the public key with `isStrictPublicKey`. */
export async function verifierFor(publicKey: Uint8Array, subtle: Subtle = crypto.subtle): Promise<Verify> {
  const ownKey = copyOf(publicKey);
  const key = await importNative(() => subtle.importKey("raw", ownKey, ED25519, false, ["verify"]));
  return async (message, signature) => {
    if (signature.byteLength !== SIGNATURE_BYTES) return false;
    if (key === undefined) return verifyAsync(signature, message, ownKey, { zip215: false });
    return subtle.verify(ED25519, key, copyOf(signature), copyOf(message));
  };
}

/**
 * Returns true if the 32 bytes are the canonical encoding of a curve point that is not of small order. Small-order public keys
 * are rejected, because anybody can forge signatures for them.
 */
export function isStrictPublicKey(raw: Uint8Array): boolean {
  try {
    return !Point.fromBytes(raw, false).isSmallOrder();
  } catch {
    return false;
  }
}

/** Resolves to the imported key, or to `undefined` if WebCrypto does not support Ed25519. */
async function importNative(importKey: () => Promise<CryptoKey>): Promise<CryptoKey | undefined> {
  try {
    return await importKey();
  } catch (error) {
    if (error instanceof Error && error.name === "NotSupportedError") return undefined;
    throw error;
  }
}
