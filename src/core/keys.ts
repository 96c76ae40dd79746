/** The algorithms of device keys (proto/README.md, "Device keys"). */
export const DEVICE_KEY_ALGORITHMS = ["EdDSA", "ES256"] as const;

/** The algorithm of a device key: Ed25519, or ECDSA on P-256 with SHA-256. The login registers it with the session. */
export type DeviceKeyAlgorithm = (typeof DEVICE_KEY_ALGORITHMS)[number];

/** The algorithm of a login or a session record without `client_key_algorithm`. */
export const DEFAULT_KEY_ALGORITHM: DeviceKeyAlgorithm = "EdDSA";

/** The size of a public key in bytes. An Ed25519 key: RFC 8032 5.1. A P-256 point in uncompressed form: SEC 1 2.3.3. */
export const PUBLIC_KEY_BYTES = { EdDSA: 32, ES256: 65 } as const satisfies Record<DeviceKeyAlgorithm, number>;

/** The size of a signature in bytes: an Ed25519 signature (RFC 8032 5.1), or R ‖ S of ECDSA on P-256. */
export const SIGNATURE_BYTES = 64;

/** Clients may cache the gateway's public keys for this time, in ms (proto/README.md, "Public REST"). */
export const KEY_SET_AGE_MS_MAX = 300_000;

/**
 * Returns the algorithm that the JSON member `client_key_algorithm` names. If the member is missing, returns the default. For
 * any other value, such as `null` or another spelling, returns `undefined`.
 */
export function keyAlgorithmOf(member: unknown): DeviceKeyAlgorithm | undefined {
  if (member === undefined) return DEFAULT_KEY_ALGORITHM;
  return DEVICE_KEY_ALGORITHMS.find((each) => each === member);
}

/**
 * Decodes a public key from base64. Returns `undefined` if the base64 is not canonical (RFC 4648 4 and 3.5), or if the key has
 * the wrong size for the algorithm.
 */
export function decodePublicKey(base64: string, algorithm: DeviceKeyAlgorithm): Uint8Array | undefined {
  const raw = Buffer.from(base64, "base64");
  return raw.byteLength === PUBLIC_KEY_BYTES[algorithm] && raw.toString("base64") === base64 ? raw : undefined;
}

/** The parsed public key of a device. It verifies the signatures of one algorithm. */
export interface VerifyingKey {
  /** If the key rejects every signature: the reason, for the log. */
  readonly rejectionCause?: string;
  /** Whether the 64 bytes of `signature` are a valid signature of `message` for this key. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** A signing key of the gateway. */
export interface Signer {
  /** The thumbprint of the public key (RFC 7638), as base64url. */
  readonly keyId: string;
  /** Returns the Ed25519 signature of a message, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}
