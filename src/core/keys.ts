/** Ed25519 (RFC 8032 5.1): the sizes of a public key and of a signature. */
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** A device's public key, parsed. */
export interface VerifyingKey {
  /** Whether `signature` (64 bytes) is this key's strict RFC 8032 Ed25519 signature of `message`. Never throws. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}

/** A signing key of the gateway. */
export interface Signer {
  /** RFC 7638 thumbprint of the public key, base64url. */
  readonly keyId: string;
  /** The 64 bytes of an Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array;
}
