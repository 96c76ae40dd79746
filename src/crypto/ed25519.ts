import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import type { VerifyingKey } from "../core/keys.ts";
import { SIGNATURE_BYTES } from "../core/keys.ts";
import { isWeakPublicKey } from "./public-key.ts";

/** The DER bytes that precede the 32 raw bytes of an Ed25519 public key in a SubjectPublicKeyInfo (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
/** The DER bytes that precede the 32-byte seed of an Ed25519 private key in a PKCS #8 OneAsymmetricKey (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

const SHA256_BYTES = 32;

/** Returns the SHA-256 digest of the bytes, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(SHA256_BYTES);
  Bun.SHA256.hash(bytes, digest);
  return digest;
}

/** The verifying key of a device with a weak public key (see `isWeakPublicKey`). */
const WEAK_KEY: VerifyingKey = { rejectionCause: "the Ed25519 public key is weak", verify: () => false };

/**
 * Returns the verifying key for the 32 raw bytes of a device's Ed25519 public key. The verifying key rejects every signature if
 * the public key is weak (see `isWeakPublicKey`) or is not a point of the curve.
 */
export function verifyingKey(raw: Uint8Array): VerifyingKey {
  return isWeakPublicKey(raw) ? WEAK_KEY : new Ed25519VerifyingKey(publicKeyObject(raw));
}

/**
 * Verifies strictly, so that only one encoding of each signature (R, S) is accepted:
 * - S must be below the group order (RFC 8032 5.1.7).
 * - The verification equation is checked without multiplication by the cofactor 8 (RFC 8032 5.1.7).
 * - R is compared as bytes.
 *
 * Test vectors: test/unit/crypto.
 */
class Ed25519VerifyingKey implements VerifyingKey {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return signature.byteLength === SIGNATURE_BYTES && verify(null, message, this.#key, signature);
  }
}

/** Creates an Ed25519 private key from its 32-byte seed (RFC 8032 5.1.5). */
export function privateKeyObject(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
}

/** Returns the public key of a private key, 32 raw bytes. */
export function rawPublicKey(privateKey: KeyObject): Uint8Array {
  return createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.byteLength);
}

/** Returns the Ed25519 signature of a message, 64 bytes. */
export function signEd25519(message: Uint8Array, key: KeyObject): Uint8Array {
  return sign(null, message, key);
}

function publicKeyObject(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" });
}
