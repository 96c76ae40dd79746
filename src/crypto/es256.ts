import { createPublicKey, type KeyObject, verify } from "node:crypto";
import type { VerifyingKey } from "../core/keys.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "../core/keys.ts";

/**
 * The DER bytes that precede the 65 bytes of an uncompressed point in a SubjectPublicKeyInfo (RFC 5480). These DER bytes name the
 * curve P-256.
 */
const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");

/** The first byte of a point in uncompressed form (SEC 1 2.3.3). */
const UNCOMPRESSED = 0x04;

/**
 * Returns the verifying key for a P-256 point in uncompressed form, 65 bytes. Returns `undefined` for any other bytes, such as
 * a compressed or hybrid point. Both coordinates must be below the field's prime, and the point must be on the curve.
 *
 * A check for points of small order is not needed, because P-256 has no such points: its order is prime.
 */
export function es256VerifyingKey(raw: Uint8Array): VerifyingKey | undefined {
  if (raw.byteLength !== PUBLIC_KEY_BYTES.ES256 || raw[0] !== UNCOMPRESSED) return undefined;
  try {
    return new Es256VerifyingKey(createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: "der", type: "spki" }));
  } catch {
    // BoringSSL checks both coordinates and the equation of the curve when it parses a point.
    return undefined;
  }
}

/**
 * Verifies ECDSA on P-256 with SHA-256 (FIPS 186-5 6.4.2). A signature is R ‖ S, 32 bytes each. R and S are at least 1 and
 * below n, the order of the curve.
 *
 * Both S and n − S verify, because platforms produce both. So a signature does not identify a request.
 *
 * Test vectors: test/unit/crypto.
 */
class Es256VerifyingKey implements VerifyingKey {
  readonly #key: { readonly key: KeyObject; readonly dsaEncoding: "ieee-p1363" };

  constructor(key: KeyObject) {
    this.#key = { key, dsaEncoding: "ieee-p1363" };
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return signature.byteLength === SIGNATURE_BYTES && verify("sha256", message, this.#key, signature);
  }
}
