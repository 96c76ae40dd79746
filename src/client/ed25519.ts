import { Point, signAsync, verifyAsync } from "@noble/ed25519";
import { owned } from "./bytes.ts";

/**
 * Ed25519 as the runtime offers it: WebCrypto where it knows the curve, else @noble/ed25519, which is slower by a factor of ten or more.
 */

const ED25519 = "Ed25519";
const SIGNATURE_BYTES = 64;
/** RFC 8410: what precedes the 32-byte seed of an Ed25519 private key in a PKCS #8 OneAsymmetricKey. */
const PKCS8_PREFIX = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

export type Sign = (message: Uint8Array) => Promise<Uint8Array>;
export type Verify = (message: Uint8Array, signature: Uint8Array) => Promise<boolean>;
/** What is used of WebCrypto. */
export type Subtle = Pick<SubtleCrypto, "importKey" | "sign" | "verify">;

/** Signs with the private key of a 32-byte seed. */
export async function signerFor(seed: Uint8Array, subtle: Subtle = crypto.subtle): Promise<Sign> {
  const own = owned(seed);
  const pkcs8 = new Uint8Array([...PKCS8_PREFIX, ...own]);
  const key = await nativeKey(() => subtle.importKey("pkcs8", pkcs8, ED25519, false, ["sign"]));
  if (key === undefined) return (message) => signAsync(message, own);
  return async (message) => new Uint8Array(await subtle.sign(ED25519, key, owned(message)));
}

/** Verifies with a strict public key (see `isStrictPublicKey`), strictly: RFC 8032 5.1.7. */
export async function verifierFor(publicKey: Uint8Array, subtle: Subtle = crypto.subtle): Promise<Verify> {
  const own = owned(publicKey);
  const key = await nativeKey(() => subtle.importKey("raw", own, ED25519, false, ["verify"]));
  return async (message, signature) => {
    if (signature.byteLength !== SIGNATURE_BYTES) return false;
    if (key === undefined) return verifyAsync(signature, message, own, { zip215: false });
    return subtle.verify(ED25519, key, owned(signature), owned(message));
  };
}

/** Whether these 32 bytes are the canonical encoding of a point that is not of small order: under such a point anything verifies. */
export function isStrictPublicKey(raw: Uint8Array): boolean {
  try {
    return !Point.fromBytes(raw, false).isSmallOrder();
  } catch {
    return false;
  }
}

/** The key, or `undefined` where WebCrypto does not know Ed25519. */
async function nativeKey(load: () => Promise<CryptoKey>): Promise<CryptoKey | undefined> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof Error && error.name === "NotSupportedError") return undefined;
    throw error;
  }
}
