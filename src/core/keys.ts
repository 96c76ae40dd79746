/** Size of an Ed25519 public key (RFC 8032 5.1). */
export const PUBLIC_KEY_BYTES = 32;
/** Size of an Ed25519 signature (RFC 8032 5.1). */
export const SIGNATURE_BYTES = 64;

/** The parsed public key of a device. */
export interface VerifyingKey {
  /** Whether `signature` is the strict Ed25519 signature (RFC 8032, 64 bytes) of `message` by this key. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** A signing key of the gateway. */
export interface Signer {
  /** The thumbprint of the public key (RFC 7638), as base64url. */
  readonly keyId: string;
  /** Returns the Ed25519 signature of a message, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}
