import { DEFAULT_KEY_ALGORITHM, type DeviceKeyAlgorithm, decodePublicKey, keyAlgorithmOf } from "../../../core/keys.ts";
import { type Fields, invalid, textOf } from "./public-fields.ts";

/** The device keys that a login may register. */
export interface DeviceKeyRules {
  /** The accepted algorithms, at least one. */
  readonly algorithms: readonly DeviceKeyAlgorithm[];
  /**
   * Whether a device may use the public key. For example, an Ed25519 key of small order is rejected. This check needs much CPU
   * time.
   */
  readonly isStrictKey: (algorithm: DeviceKeyAlgorithm, raw: Uint8Array) => boolean;
}

/**
 * Checks the fields `client_public_key` and `client_key_algorithm` of a login. Throws RestError.
 *
 * Returns a second check of the key. The second check needs much CPU time. It throws RestError if the key is invalid.
 */
export function checkDeviceKey(fields: Fields, { algorithms, isStrictKey }: DeviceKeyRules): () => void {
  const algorithm = keyAlgorithmOf(fields["client_key_algorithm"]);
  if (algorithm === undefined || !algorithms.includes(algorithm)) throw invalid(algorithmRule(algorithms));
  // Only canonical base64 is valid (RFC 4648 4 and 3.5), because the session look-up rejects every other encoding. A session with a
  // rejected key could never be used.
  const raw = decodePublicKey(textOf(fields["client_public_key"], "client_public_key"), algorithm);
  if (raw === undefined) throw invalid(KEY_RULES[algorithm]);
  return () => {
    if (!isStrictKey(algorithm, raw)) throw invalid(KEY_RULES[algorithm]);
  };
}

const KEY_RULES: Readonly<Record<DeviceKeyAlgorithm, string>> = {
  EdDSA: "client_public_key must be the base64 of a valid Ed25519 public key (32 bytes)",
  ES256: "client_public_key must be the base64 of a valid P-256 public key in uncompressed form (65 bytes)",
};

function algorithmRule(accepted: readonly DeviceKeyAlgorithm[]): string {
  return `client_key_algorithm must be ${accepted.join(" or ")}; if it is missing, it is ${DEFAULT_KEY_ALGORITHM}`;
}
